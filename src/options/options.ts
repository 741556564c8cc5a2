/**
 * The options of a server, as an immutable set.
 */
import type { ForwardedHeaders } from '../net/forwarded.ts'
import { OptionError } from '../core/errors.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { DEFAULTS, checkOption, isOption } from './option-table.ts'
import type { OptionName, OptionValues } from './option-table.ts'
import { Http2Options } from './http2-options.ts'
import { unknownOption } from './unknown-option.ts'

/**
 * Options of a server: immutable, each `with…` gives a changed copy. A wrong value throws at once.
 *
 * @example new HttpServer(8080, handler, Options.from().withHttp1Timeout(30).withDebugMode())
 */
export class Options extends Http2Options {
  readonly #values: Readonly<OptionValues>

  /**
   * Options with the defaults for everything that isn't named. An unknown name or a wrong value throws.
   *
   * @example new Options({ http1Timeout: 30 })
   */
  constructor(values: Partial<OptionValues> = {}) {
    super()
    this.#values = changed(DEFAULTS, values)
  }

  /**
   * The same as `new Options(values)`.
   *
   * @example Options.from({ http1Timeout: 30, bodySizeLimit: 1 << 20 })
   */
  static from(values: Partial<OptionValues> = {}): Options {
    return new Options(values)
  }

  /**
   * A copy with some options changed.
   *
   * @example options.with({ headerTimeout: 5 })
   */
  override with(values: Partial<OptionValues>): this {
    return new Options(changed(this.#values, values)) as this
  }

  /**
   * The value of an option by name.
   *
   * @example options.get('http1Timeout') // 15
   */
  override get<Name extends OptionName>(name: Name): OptionValues[Name] {
    return this.#values[name]
  }

  /**
   * All values, as an object that `Options.from` takes.
   *
   * @example options.toObject().bodySizeLimit
   */
  toObject(): OptionValues {
    const { allowedMethods, proxies, origins } = this.#values
    return { ...this.#values, allowedMethods: [...allowedMethods], proxies: [...proxies], origins: [...origins] }
  }

  /**
   * The same as `toObject`.
   *
   * @example JSON.stringify(options)
   */
  toJSON(): OptionValues {
    return this.toObject()
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('Options', this.toJSON(), depth, options, inspect)
  }

  /**
   * Whether error pages and log lines show more detail.
   *
   * @example options.isInDebugMode()
   */
  isInDebugMode(): boolean {
    return this.get('debug')
  }

  /** @example options.withDebugMode() */
  withDebugMode(enabled = true): this {
    return this.with({ debug: enabled })
  }

  /** @example options.withoutDebugMode() */
  withoutDebugMode(): this {
    return this.with({ debug: false })
  }

  /**
   * Methods that reach the handler, in the order of the `allow` field.
   *
   * @example options.getAllowedMethods()
   */
  getAllowedMethods(): readonly string[] {
    return this.get('allowedMethods')
  }

  /** @example options.withAllowedMethods(['GET', 'HEAD', 'POST']) */
  withAllowedMethods(value: readonly string[]): this {
    return this.with({ allowedMethods: value })
  }

  /**
   * Whether HTTP/2's own pushes are used. They never are: `response.push` sends `link` fields.
   *
   * @example options.isPushEnabled()
   */
  isPushEnabled(): boolean {
    return this.get('push')
  }

  /** Throws for true: see `isPushEnabled`. @example options.withPush(false) */
  withPush(enabled = true): this {
    return this.with({ push: enabled })
  }

  /** @example options.withoutPush() */
  withoutPush(): this {
    return this.with({ push: false })
  }

  /**
   * Whether responses are compressed.
   *
   * @example options.isCompressionEnabled()
   */
  isCompressionEnabled(): boolean {
    return this.get('compression')
  }

  /** @example options.withCompression() */
  withCompression(enabled = true): this {
    return this.with({ compression: enabled })
  }

  /** @example options.withoutCompression() */
  withoutCompression(): this {
    return this.with({ compression: false })
  }

  /**
   * Whether log lines of errors contain the request.
   *
   * @example options.isRequestLogContextEnabled()
   */
  isRequestLogContextEnabled(): boolean {
    return this.get('requestLogContext')
  }

  /** @example options.withRequestLogContext() */
  withRequestLogContext(enabled = true): this {
    return this.with({ requestLogContext: enabled })
  }

  /** @example options.withoutRequestLogContext() */
  withoutRequestLogContext(): this {
    return this.with({ requestLogContext: false })
  }

  /**
   * Whether a client that has closed its sending side still gets its response.
   *
   * @example options.isHalfCloseAllowed()
   */
  isHalfCloseAllowed(): boolean {
    return this.get('allowHalfClose')
  }

  /** @example options.withHalfClose() */
  withHalfClose(enabled = true): this {
    return this.with({ allowHalfClose: enabled })
  }

  /** @example options.withoutHalfClose() */
  withoutHalfClose(): this {
    return this.with({ allowHalfClose: false })
  }

  /**
   * Networks of proxies, and `'unix'` for unix sockets. Their connections aren't counted by address, and what they
   * tell of their clients is believed: forwarded fields and PROXY headers.
   *
   * @example options.getProxies()
   */
  getProxies(): readonly string[] {
    return this.get('proxies')
  }

  /** @example options.withProxies(['10.0.0.0/8', 'unix']) */
  withProxies(value: readonly string[]): this {
    return this.with({ proxies: value })
  }

  /**
   * The fields that `proxies` set: `'x-forwarded'` for `X-Forwarded-For`, `-Proto` and `-Host`, `'forwarded'` for
   * `Forwarded` (RFC 7239). Those of the other kind are ignored: a client could forge them.
   *
   * @example options.getForwardedHeaders() // 'x-forwarded'
   */
  getForwardedHeaders(): ForwardedHeaders {
    return this.get('forwardedHeaders')
  }

  /** @example options.withForwardedHeaders('forwarded') */
  withForwardedHeaders(value: ForwardedHeaders): this {
    return this.with({ forwardedHeaders: value })
  }
}

/** The values with some of them changed. */
function changed(values: Readonly<OptionValues>, changes: Partial<OptionValues>): OptionValues {
  if (typeof changes !== 'object' || changes === null) throw new OptionError('options', changes, 'an object')
  const result: Record<string, unknown> = { ...values }
  for (const [name, value] of Object.entries(changes)) {
    if (!isOption(name)) throw unknownOption(name, value)
    if (value !== undefined) result[name] = checkOption(name, value)
  }
  // An idle time that is set by hand counts for all clients.
  if (changes.http1Timeout !== undefined && changes.localHttp1Timeout === undefined) {
    result['localHttp1Timeout'] = changes.http1Timeout
  }
  if (changes.http2Timeout !== undefined && changes.localHttp2Timeout === undefined) {
    result['localHttp2Timeout'] = changes.http2Timeout
  }
  return result as unknown as OptionValues
}
