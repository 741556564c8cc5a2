/**
 * Servers in workers of node:cluster.
 *
 * The primary process owns no socket of ours: each worker listens on the same port by SO_REUSEPORT, and the kernel
 * shares connections out. Process managers wait for the message that a worker listens, so it is sent as node:http does.
 */
import { StateError } from '../core/errors.ts'
import type { Bound, ListenPlan } from './listen.ts'

/** Whether this process is a worker of node:cluster. Only a process with a channel to its parent can be one. */
export function isClusterWorker(): boolean {
  if (process.send === undefined) return false
  // The types describe the namespace of an import.
  const { isWorker } = process.getBuiltinModule('node:cluster') as unknown as { readonly isWorker: boolean }
  return isWorker
}

/** The plans, for a port that workers share. Throws for an address that they can't share. */
export function shared(plans: readonly ListenPlan[]): ListenPlan[] {
  for (const { shown, sockets } of plans) {
    const why = obstacle(sockets[0]?.path ?? null, sockets[0]?.port ?? 0)
    if (why !== null) throw new StateError(`a worker of node:cluster can't listen on ${shown}: ${why}`)
  }
  return plans.map((plan) => ({ ...plan, sockets: plan.sockets.map((socket) => ({ ...socket, reusePort: true })) }))
}

function obstacle(path: string | null, port: number): string | null {
  if (path !== null) return 'processes can\'t share a unix socket; give each worker a path of its own in a process that is no worker, or use ioThreads'
  if (port === 0) return 'each worker would get another port; name a fixed port'
  if (process.platform !== 'linux') return `${process.platform} doesn't share connections out among processes; use ioThreads`
  return null
}

/** Sends the primary process the messages by which it knows that this worker listens. */
export function announce(bound: readonly Bound[]): void {
  for (const { addresses } of bound) {
    const [address] = addresses
    if (address === undefined) continue
    const addressType = address.getVersion() ?? -1
    process.send?.({ cmd: 'NODE_CLUSTER', act: 'listening', addressType, address: address.getHost(), port: address.getPort() })
  }
}

/** What ends with the channel to the primary process. */
const ends = new Set<() => void>()
let isWatching = false

/**
 * Calls a function when this worker is disconnected, by its primary process or by itself. What is returned forgets it. One
 * listener serves all servers of the process.
 */
export function onDisconnect(end: () => void): () => void {
  ends.add(end)
  if (!isWatching) {
    isWatching = true
    process.once('disconnect', () => {
      for (const each of ends) each()
    })
  }
  return () => void ends.delete(end)
}
