/**
 * What a server allows its clients, as an immutable set of options.
 */
import { OptionError } from './errors.ts'
import { DEFAULTS, checkOption, isOption, nearestOption } from './option-table.ts'
import type { OptionName, OptionValues } from './option-table.ts'
import type { EngineLimits } from './native.ts'

export type { OptionValues } from './option-table.ts'

/** A getter and a wither for every option: `getHttp1Timeout()`, `withHttp1Timeout(30)`. */
type Accessors = {
  readonly [Name in OptionName as OptionValues[Name] extends boolean
    ? never
    : `get${Capitalize<Name>}`]: () => OptionValues[Name]
} & {
  readonly [Name in OptionName as OptionValues[Name] extends boolean
    ? never
    : `with${Capitalize<Name>}`]: (value: OptionValues[Name]) => Options
}

class OptionSet {
  readonly #values: Readonly<OptionValues>

  /** @internal */
  constructor(values: Readonly<OptionValues>) {
    this.#values = values
  }

  /**
   * Options with the defaults for everything that isn't named. An unknown name or a wrong value throws.
   *
   * @example Options.from({ http1Timeout: 30, bodySizeLimit: 1 << 20 })
   */
  static from(values: Partial<OptionValues> = {}): Options {
    return (new OptionSet(DEFAULTS) as unknown as Options).with(values)
  }

  /**
   * A copy with some options changed.
   *
   * @example options.with({ headerTimeout: 5 })
   */
  with(values: Partial<OptionValues>): Options {
    const changed: Record<string, unknown> = { ...this.#values }
    for (const [name, value] of Object.entries(values)) {
      if (!isOption(name)) {
        throw new OptionError(name, value, `one of the known options; did you mean ${nearestOption(name)}?`)
      }
      if (value !== undefined) changed[name] = checkOption(name, value)
    }
    return new OptionSet(changed as unknown as OptionValues) as unknown as Options
  }

  /**
   * The value of an option by name.
   *
   * @example options.get('http1Timeout') // 15
   */
  get<Name extends OptionName>(name: Name): OptionValues[Name] {
    return this.#values[name]
  }

  /**
   * All values, as an object that `Options.from` takes.
   *
   * @example options.toObject().bodySizeLimit
   */
  toObject(): OptionValues {
    return { ...this.#values, allowedMethods: [...this.#values.allowedMethods], proxies: [...this.#values.proxies] }
  }
}

/**
 * Options of a server: immutable, each `with…` gives a changed copy.
 *
 * @example new HttpServer(8080, handler, Options.from().withHttp1Timeout(30).withoutCompression())
 */
export interface Options extends OptionSet, Accessors, Switches {}

interface Switches {
  isInDebugMode(): boolean
  withDebugMode(): Options
  withoutDebugMode(): Options
  isHttp2UpgradeAllowed(): boolean
  withHttp2Upgrade(): Options
  withoutHttp2Upgrade(): Options
  isPushEnabled(): boolean
  withPush(): Options
  withoutPush(): Options
  isCompressionEnabled(): boolean
  withCompression(): Options
  withoutCompression(): Options
  isRequestLogContextEnabled(): boolean
  withRequestLogContext(): Options
  withoutRequestLogContext(): Options
  isHalfCloseAllowed(): boolean
  withHalfClose(): Options
  withoutHalfClose(): Options
  isHttp2Enabled(): boolean
  withHttp2(enabled?: boolean): Options
  withoutHttp2(): Options
  isHttp2CleartextAllowed(): boolean
  withHttp2Cleartext(): Options
  withoutHttp2Cleartext(): Options
}

/** Boolean options by the words of their methods: the question, and what stands behind `with`. */
const SWITCHES: readonly (readonly [OptionName, string, string])[] = [
  ['debug', 'isInDebugMode', 'DebugMode'],
  ['http2Upgrade', 'isHttp2UpgradeAllowed', 'Http2Upgrade'],
  ['push', 'isPushEnabled', 'Push'],
  ['compression', 'isCompressionEnabled', 'Compression'],
  ['requestLogContext', 'isRequestLogContextEnabled', 'RequestLogContext'],
  ['allowHalfClose', 'isHalfCloseAllowed', 'HalfClose'],
  ['http2', 'isHttp2Enabled', 'Http2'],
  ['http2Cleartext', 'isHttp2CleartextAllowed', 'Http2Cleartext'],
]

function define(name: string, method: (this: OptionSet, ...args: never[]) => unknown): void {
  Object.defineProperty(OptionSet.prototype, name, { value: method, writable: true, configurable: true })
}

for (const [name, question, word] of SWITCHES) {
  define(question, function () {
    return this.get(name)
  })
  define(`with${word}`, function (enabled: boolean = true) {
    return this.with({ [name]: enabled })
  })
  define(`without${word}`, function () {
    return this.with({ [name]: false })
  })
}
for (const name of Object.keys(DEFAULTS) as OptionName[]) {
  if (typeof DEFAULTS[name] === 'boolean') continue
  const word = name.charAt(0).toUpperCase() + name.slice(1)
  define(`get${word}`, function () {
    return this.get(name)
  })
  define(`with${word}`, function (value: never) {
    return this.with({ [name]: value })
  })
}

/**
 * Options of a server: immutable, each `with…` gives a changed copy.
 *
 * @example Options.from({ http1Timeout: 30 }).getHttp1Timeout() // 30
 */
export const Options: {
  from(values?: Partial<OptionValues>): Options
  readonly prototype: Options
  [Symbol.hasInstance](value: unknown): value is Options
} = OptionSet as never

/** The part of the options that the native half enforces. */
export function engineLimits(options: Options): EngineLimits {
  const given = process.env['BUSBAR_KEEP_ALIVE_TIMEOUT']
  const http1Timeout =
    given === undefined || given === '' ? options.get('http1Timeout') : checkOption('http1Timeout', Number(given))
  return {
    http1Timeout: http1Timeout as number,
    headerTimeout: options.get('headerTimeout'),
    bodyTimeout: options.get('bodyTimeout'),
    minimumBodyRate: options.get('minimumBodyRate'),
    requestTimeout: options.get('requestTimeout'),
    writeTimeout: options.get('writeTimeout'),
    allowHalfClose: options.get('allowHalfClose'),
    bodySizeLimit: options.get('bodySizeLimit'),
    headerSizeLimit: options.get('headerSizeLimit'),
    headerFieldLimit: options.get('headerFieldLimit'),
    requestLineLimit: options.get('requestLineLimit'),
    chunkExtensionLimit: options.get('chunkExtensionLimit'),
    pipelineLimit: options.get('pipelineLimit'),
  }
}
