/**
 * Stops servers when the process is asked to end.
 */
import { OptionError } from '../core/errors.ts'
import { HttpServer, beginDrain } from './server.ts'

/** What a stop by a signal has done with the requests that were under way when it began. */
export interface StopReport {
  /** Requests whose handlers have ended within the time. */
  readonly finished: number
  /** Requests without a complete response, and upgraded sockets, when the time was over. */
  readonly cutOff: number
}

/** How servers are stopped by a signal. */
export interface StopOnSignalsSettings {
  /** Seconds that pending requests may take; the option `stopTimeout` when left out. */
  readonly timeout?: number
  /**
   * Seconds in which the servers still serve before they stop, each response with `Connection: close`, so that a
   * balancer stops using them; 0 when left out.
   */
  readonly drain?: number
  /** The signals; `SIGINT` and `SIGTERM` when left out. */
  readonly signals?: readonly NodeJS.Signals[]
  /** Called for each server that has stopped, before the process ends. */
  readonly onStopped?: (server: HttpServer, report: StopReport) => void
}

/** Stops under way in this process: it ends after the last one. */
const underWay = new Set<Promise<void>>()

/**
 * Stops one or several servers when the process gets a signal, and then ends the process with exit code 0, or 1 when an
 * observer has failed. A second signal ends it at once with exit code 1. The result removes the signal handlers.
 *
 * @example stopOnSignals(await serve(8080, handler), { timeout: 25, drain: 5 })
 */
export function stopOnSignals(servers: HttpServer | readonly HttpServer[], settings: StopOnSignalsSettings = {}): () => void {
  const all = servers instanceof HttpServer ? [servers] : [...servers]
  if (!all.every((server) => server instanceof HttpServer)) throw new OptionError('servers', servers, 'a server, or a list of servers')
  const { timeout, drain = 0, signals = ['SIGINT', 'SIGTERM'] } = settings
  checkSeconds('drain', drain)
  if (timeout !== undefined) checkSeconds('timeout', timeout)
  let isStopping = false
  const onSignal = (): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    void stopAll(all, settings)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

function checkSeconds(name: string, value: number): void {
  if (typeof value !== 'number' || !(value >= 0)) throw new OptionError(name, value, 'a number of seconds, at least 0')
}

async function stopAll(servers: readonly HttpServer[], settings: StopOnSignalsSettings): Promise<void> {
  const stopping = stopEach(servers, settings)
  underWay.add(stopping)
  let results: PromiseSettledResult<void>[] = []
  // Another stop may begin while these are under way.
  while (results.length < underWay.size) results = await Promise.allSettled(underWay)
  process.exit(results.some(({ status }) => status === 'rejected') ? 1 : 0)
}

async function stopEach(servers: readonly HttpServer[], settings: StopOnSignalsSettings): Promise<void> {
  const { drain = 0 } = settings
  for (const server of servers) beginDrain(server)
  if (drain > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(drain * 1000, 2 ** 31 - 1)))
  const stopped = await Promise.allSettled(servers.map((server) => stopOne(server, settings)))
  const failed = stopped.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function stopOne(server: HttpServer, { timeout, onStopped }: StopOnSignalsSettings): Promise<void> {
  try {
    // A start or a stop that is under way ends first.
    if (server.getState() !== HttpServer.STARTED) return await server[Symbol.asyncDispose]()
    const { runningHandlers } = server.getStatistics()
    const { cutOff } = await server.stop({ timeout })
    onStopped?.(server, { finished: Math.max(0, runningHandlers - cutOff), cutOff })
  } catch (exception) {
    server.getLogger().error('the server failed to stop', { exception })
    throw exception
  }
}
