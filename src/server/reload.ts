/**
 * Replaces the TLS of listeners while they serve.
 */
import { OptionError, StateError } from '../core/errors.ts'
import type { ListenerTls } from '../tls/listener-tls.ts'
import type { TlsOptions } from '../tls/tls-options.ts'

/** What `server.reload` changes. */
export interface ReloadOptions {
  /** Options of TLS that change. */
  readonly tls?: TlsOptions
  /** The listener whose TLS changes: its number from 0, or its address as in `server.url`. */
  readonly listener?: number | string
}

/** A listener that speaks TLS. */
export interface SecuredListener {
  readonly index: number
  readonly address: string
  readonly tls: ListenerTls
}

/** Reads the files of the listeners again, or of the one that is named. */
export async function reloadTls(listeners: readonly SecuredListener[], changes: ReloadOptions): Promise<void> {
  const { tls = {}, listener } = changes
  const unknown = Object.keys(changes).find((key) => key !== 'tls' && key !== 'listener')
  if (unknown !== undefined) throw new OptionError('reload', unknown, 'an object with the keys tls, listener')
  const [first] = listeners
  if (first === undefined) throw new StateError('reload needs a listener with TLS; this server has none')
  const names = listeners.map(({ index, address }) => `${index} (${address})`).join(', ')
  const chosen = listener === undefined ? listeners : listeners.filter((one) => isNamed(one, listener))
  if (chosen.length === 0) throw new OptionError('listener', listener, `one of those with TLS: ${names}`)
  const isSame = chosen.every((one) => one.tls.hasOptionsOf(first.tls))
  if (listener === undefined && !isSame && Object.keys(tls).length > 0) {
    throw new OptionError('listener', listener, `given where the TLS of listeners differs: one of ${names}`)
  }
  const { ListenerTls } = await import('../tls/listener-tls.ts')
  await ListenerTls.replace(chosen.map((one) => one.tls), tls)
}

function isNamed({ index, address }: SecuredListener, name: number | string): boolean {
  const short = address.replace(/^https:\/\/|\/$/g, '')
  return typeof name === 'number' ? index === name : name === address || name === short
}
