/**
 * What a response has beside its head and its body: trailers, an upgrade, a time limit, and functions that run at its end.
 */
import { HandlerError, OptionError, StateError, show } from '../core/errors.ts'
import type { FieldsInit } from '../http/fields.ts'
import { Trailers } from '../http/trailers.ts'
import { Push } from './push.ts'
import type { ResponseExtras } from './response-extras.ts'
import { ResponseHead } from './response-head.ts'
import { takeoverOf } from './takeover.ts'
import type { Takeover, UpgradeHandler } from './takeover.ts'

/** The rarer parts of a response. */
export type Extras = ResponseExtras<Takeover>

/** Key of the method that gives the rarer parts; null when there are none. */
export const EXTRAS: unique symbol = Symbol('extras')
/** Key of the method that gives the rarer parts, and makes them when there are none. */
export const OWN_EXTRAS: unique symbol = Symbol('ownExtras')
/** Key of the method that says whether the response was sent. */
export const IS_SENT: unique symbol = Symbol('isSent')
/** Key of the method that makes the response an upgrade. */
export const SET_TAKEOVER: unique symbol = Symbol('setTakeover')

/** The members of `Response` that concern how it is sent. Like `ResponseHead` it has no `#` members. */
export abstract class ResponseDelivery extends ResponseHead {
  /** @internal */
  abstract [EXTRAS](): Extras | null
  /** @internal */
  abstract [OWN_EXTRAS](): Extras
  /** @internal */
  abstract [IS_SENT](): boolean

  abstract setStatus(status: number, reason?: string | null): void

  /**
   * The trailers behind the body; null when there are none.
   *
   * @example response.getTrailers()?.getFields()
   */
  getTrailers(): Trailers | null {
    return this[EXTRAS]()?.trailers ?? null
  }

  /**
   * Sends trailers behind the body. HTTP/1.0 and responses without a body have none: there they are ignored. They are
   * announced in a `trailer` field unless one is set.
   *
   * @example response.setTrailers(new Trailers(() => ({ 'x-rows': rows }), ['x-rows']))
   */
  setTrailers(trailers: Trailers): void {
    if (!(trailers instanceof Trailers)) throw new HandlerError(`setTrailers takes Trailers; got ${show(trailers)}`)
    this[OWN_EXTRAS]().trailers = trailers
  }

  /**
   * Removes the trailers.
   *
   * @example response.removeTrailers()
   */
  removeTrailers(): void {
    const extras = this[EXTRAS]()
    if (extras !== null) extras.trailers = null
  }

  /**
   * Has the client load another resource, which it will need: a `link` field with `rel=preload` is sent, and `as` for
   * the types of files that browsers load. A relative URL is relative to that of the request. A second call with the same
   * URL replaces the first.
   *
   * @example response.push('/style.css')
   */
  push(url: string | URL, headers: FieldsInit = {}): void {
    const push = new Push(url, headers)
    const extras = this[OWN_EXTRAS]()
    ;(extras.pushes ??= new Map()).set(push.getUri(), push)
  }

  /**
   * The pushes, by their URL.
   *
   * @example response.getPushes().has('/style.css')
   */
  getPushes(): ReadonlyMap<string, Push> {
    return new Map(this[EXTRAS]()?.pushes)
  }

  /**
   * Whether `CompressionMiddleware` and the option `compression` may compress this response. Say false for a page that
   * has a secret, such as a token, and repeats what a request says: its compressed length could tell the secret.
   *
   * @example response.setCompression(false)
   */
  setCompression(enabled: boolean): void {
    this[OWN_EXTRAS]().isCompressible = enabled
  }

  /**
   * Aborts the response: the client sees that it is incomplete. Nothing is logged. True when anything was left to
   * send.
   *
   * @example if (quota.isUsedUp()) response.abort()
   */
  abort(): boolean {
    const extras = this[OWN_EXTRAS]()
    if (this[IS_SENT]()) return extras.sender?.cut() ?? false
    extras.isCut = true
    return true
  }

  /**
   * Sets how many seconds the client may take nothing of this response, in place of `writeTimeout`; `Infinity` for
   * no limit. It holds for the responses behind it, too, until the connection is idle.
   *
   * @example response.setWriteTimeout(600)
   */
  setWriteTimeout(seconds: number): void {
    if (!(seconds > 0)) throw new OptionError('the write timeout', seconds, 'a number of seconds above 0')
    if (this[IS_SENT]()) throw new StateError('setWriteTimeout comes before the response is sent')
    this[OWN_EXTRAS]().writeTimeout = seconds
  }

  /**
   * Runs a function when the response is over: sent, failed, replaced, or dropped because the client left.
   *
   * @example response.onDispose(() => lock.release())
   */
  onDispose(callback: () => unknown): void {
    if (typeof callback !== 'function') throw new OptionError('callback', callback, 'a function')
    this[OWN_EXTRAS]().onDispose(callback)
  }

  /**
   * Switches protocols: after all earlier responses, sends the headers with a 101 and calls a function with the
   * connection. Name the protocol in the header `upgrade`; `connection` is added. A client that hasn't asked for that
   * protocol gets a 426 of the error handler. An unread body is read and dropped first. A CONNECT is answered with a
   * 200 instead. The function isn't called when the client leaves before.
   *
   * @example (request) => new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.pipe(socket))
   */
  upgrade(callback: UpgradeHandler): this {
    this[SET_TAKEOVER](takeoverOf(callback, null))
    return this
  }

  /** @internal */
  [SET_TAKEOVER](takeover: Takeover): void {
    this.setStatus(101)
    const extras = this[OWN_EXTRAS]()
    extras.takeover = takeover
    extras.trailers = null
  }

  /**
   * Whether the response takes the connection over, by `upgrade` or `detach`.
   *
   * @example response.isUpgraded()
   */
  isUpgraded(): boolean {
    return this.getUpgradeHandler() !== null
  }

  /**
   * The function that is called with the connection; null when there is none.
   *
   * @example response.getUpgradeHandler()
   */
  getUpgradeHandler(): UpgradeHandler | null {
    return this[EXTRAS]()?.takeover?.handler ?? null
  }
}
