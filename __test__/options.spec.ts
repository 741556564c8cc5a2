import { readFileSync, readdirSync } from 'node:fs'
import { inspect } from 'node:util'
import test from 'ava'
import { table } from '../scripts/options-table.mjs'
import { HttpServer, OptionError, Options, Response } from '../src/index.ts'
import type { OptionValues } from '../src/index.ts'
import { DEFAULTS } from '../src/options/option-table.ts'
import { open } from './support.ts'

test('every option has the default of the documentation, and a getter', (t) => {
  const options = Options.from()
  t.is(options.getHttp1Timeout(), 15)
  t.is(options.getBodySizeLimit(), 131_072)
  t.is(options.getHeaderSizeLimit(), 32_768)
  t.is(options.getConnectionLimit(), 10_000)
  t.is(options.getConnectionsPerIpLimit(), 1000)
  t.is(options.getLocalHttp1Timeout(), 75)
  t.deepEqual(options.getAllowedMethods(), ['GET', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE'])
  t.false(options.isCompressionEnabled())
  t.false(options.isPushEnabled())
  t.true(options.isHttp2Enabled())
  t.false(options.isInDebugMode())
  t.false(options.isHttp2UpgradeAllowed())
  t.false(options.isHttp2CleartextAllowed())
  t.false(options.isRequestLogContextEnabled())
  t.false(options.isHalfCloseAllowed())
  t.is(options.getMemoryLimit(), Infinity)
})

/** The fields and values of `impl Default for …` in the Rust sources of a crate. */
function rustDefaults(crate: string, type: string): [string, string][] {
  const root = new URL(`../crates/${crate}/src/`, import.meta.url)
  const files = readdirSync(root, { recursive: true }).map(String).filter((name) => name.endsWith('.rs'))
  const source = files.map((name) => readFileSync(new URL(name, root), 'utf8')).find((text) => text.includes(`impl Default for ${type} {`))
  const body = source!.split(`impl Default for ${type} {`)[1]!.split('\n}\n')[0]!
  return [...body.matchAll(/(\w+): ([\d_]+|true|false)\b/g)].map(([, name, value]) => [name!, value!.replaceAll('_', '')])
}

test('the defaults that the tests of the engine use are those of the options', (t) => {
  const names: Record<string, string> = { total: 'connectionLimit', per_address: 'connectionsPerIpLimit' }
  const all = [...rustDefaults('protocol', 'Limits'), ...rustDefaults('reactor', 'ConnectionLimits')]
  // The first is a part of the option `proxies`, the others are for servers of `busbar/http`.
  const noOptions = ['trusts_unix', 'node_style', 'allow_missing_host']
  const found = all.filter(([field]) => !noOptions.includes(field))
  t.is(found.length, 25)
  for (const [field, value] of found) {
    const name = names[field] ?? field.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    const given = DEFAULTS[name as keyof OptionValues]
    t.is(value, String(name.endsWith('Timeout') ? Number(given) * 1000 : given), field)
  }
})

test('a change is made on a copy', (t) => {
  const options = Options.from()
  const changed = options.withHttp1Timeout(30).withDebugMode().withoutCompression().withHttp2(false)
  t.is(options.getHttp1Timeout(), 15)
  t.is(changed.getHttp1Timeout(), 30)
  t.true(changed.isInDebugMode())
  t.false(changed.withoutDebugMode().isInDebugMode())
  t.false(changed.isCompressionEnabled())
  t.false(changed.isHttp2Enabled())
})

test('every option has a with… method whose value its get… method returns', (t) => {
  const other: Partial<Record<keyof OptionValues, unknown>> = {
    allowedMethods: ['GET', 'HEAD'],
    proxies: ['unix'],
    http2WindowLimit: 65_536,
    forwardedHeaders: 'forwarded',
    origins: ['https://example.org'],
  }
  const options = Options.from() as unknown as Record<string, (value?: unknown) => never>
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (typeof value === 'boolean' || value === Infinity) continue
    const word = name.charAt(0).toUpperCase() + name.slice(1)
    const given = other[name as keyof OptionValues] ?? 7
    const changed = options[`with${word}`]!(given) as unknown as Options
    t.deepEqual((changed as unknown as typeof options)[`get${word}`]!(), given as never, name)
  }
})

test('options survive a round trip as an object', (t) => {
  const options = Options.from({ http1Timeout: 3, proxies: ['10.0.0.0/8'] })
  t.deepEqual(Options.from(options.toObject()).toObject(), options.toObject())
})

const wrong: Partial<Record<keyof OptionValues, unknown[]>> = {
  http1Timeout: [0, -1, 1.5, '15', Number.NaN, Infinity, null],
  connectionLimit: [0, 1.5],
  bodySizeLimit: [-1, 0.5, '1mb'],
  headerTimeout: [0, -1, '1s'],
  handlerTimeout: [-1],
  allowedMethods: ['GET', ['GET'], ['HEAD'], ['GET', 'HEAD', ''], ['GET', 'HEAD', 'A B'], ['GET', 'HEAD', 5], ['GET', 'HEAD', 'BREW']],
  debug: ['yes', 1],
  proxies: ['10.0.0.0/8', ['']],
}
for (const [name, values] of Object.entries(wrong)) {
  for (const value of values) {
    test(`${name} can't be ${inspect(value)}`, (t) => {
      const message = new RegExp(`^${name} must be .*; got `)
      t.throws(() => Options.from({ [name]: value }), { instanceOf: OptionError, message })
      t.throws(() => new HttpServer(0, () => new Response(204), { [name]: value }), { instanceOf: OptionError, message })
    })
  }
}

test('an unknown option throws, and names the nearest if one is near', (t) => {
  const error = t.throws(() => Options.from({ httpTimeout: 5 } as never), { instanceOf: OptionError })
  t.regex(error.message, /httpTimeout.*did you mean http1Timeout\?/)
  t.is(error.code, 'BUSBAR_INVALID_OPTION')
  t.throws(() => Options.from({ foo: 5 } as never), { message: 'foo must be one of the known options; got 5' })
})

const WITHOUT_EFFECT: readonly (readonly [keyof OptionValues, unknown, unknown])[] = [
  ['push', false, true],
  ['http2Upgrade', false, true],
  ['memoryLimit', Infinity, 1 << 30],
]
for (const [name, today, wanted] of WITHOUT_EFFECT) {
  test(`${name} has no effect yet: ${String(today)} is accepted, and ${String(wanted)} is refused by name`, (t) => {
    t.is(Options.from({ [name]: today }).get(name), today as never)
    t.throws(() => Options.from({ [name]: wanted }), { instanceOf: OptionError, message: new RegExp(`^${name} must be ${String(today)}, because `) })
    t.false(table.includes(`\`${name}\``))
  })
}

test('new Options takes an object, as Options.from does', (t) => {
  t.deepEqual(new Options({ http1Timeout: 3 }).toObject(), Options.from({ http1Timeout: 3 }).toObject())
  t.deepEqual(new Options().toObject(), Options.from().toObject())
  t.throws(() => new Options({ http1Timeout: 0 }), { instanceOf: OptionError, message: /^http1Timeout must be / })
  t.throws(() => new Options(8080 as never), { instanceOf: OptionError })
})

const FOREIGN: Readonly<Record<string, string>> = {
  keepAliveTimeout: 'http1Timeout, in seconds',
  idleTimeout: 'http1Timeout, in seconds',
  headersTimeout: 'headerTimeout, in seconds',
  bodyLimit: 'bodySizeLimit, in bytes',
  maxRequestBodySize: 'bodySizeLimit, in bytes',
  maxHeaderSize: 'headerSizeLimit, in bytes',
  hostname: 'the first argument, as { host }',
  port: 'the first argument, as { port }',
  trustProxy: 'proxies, a list of networks',
  maxConnections: 'connectionLimit',
}
for (const [name, ours] of Object.entries(FOREIGN)) {
  test(`the message for ${name}, a name of other servers, says what to use`, (t) => {
    const { message } = t.throws(() => new HttpServer(0, () => new Response(204), { [name]: 1 } as never), { instanceOf: OptionError })
    t.true(message.startsWith(`${name} must be given `) && message.includes(ours), message)
  })
}

test('every option that a message recommends exists', (t) => {
  const source = readFileSync(new URL('../src/options/unknown-option.ts', import.meta.url), 'utf8')
  const named = [...source.matchAll(/given as (\w+)/g)].map(([, name]) => name!)
  t.true(named.length > 20)
  const known = new Set([...Object.keys(DEFAULTS), 'ioThreads', 'errorHandler'])
  t.deepEqual(named.filter((name) => !known.has(name)), [])
})

test('the message for an address with the key hostname names host', (t) => {
  t.throws(() => new HttpServer({ hostname: 'localhost' } as never, () => new Response(204)), { message: /hostname is called host/ })
})

test('methods keep their order without duplicates', (t) => {
  const options = Options.from({ allowedMethods: ['HEAD', 'GET', 'HEAD', 'POST'] })
  t.deepEqual(options.getAllowedMethods(), ['HEAD', 'GET', 'POST'])
})

test('a body may be unlimited', (t) => {
  t.is(Options.from({ bodySizeLimit: Infinity }).getBodySizeLimit(), Infinity)
  t.is(Options.from({ bodySizeLimit: 0 }).getBodySizeLimit(), 0)
})

test('allowedMethods names the methods that the parser does not know', (t) => {
  const options = { allowedMethods: ['GET', 'HEAD', 'PROPFIND', 'BREW', 'get'] }
  t.throws(() => Options.from(options), { message: /^allowedMethods must be .* with GET and HEAD; got \[ ?'?"?BREW'?"?, ?'?"?get'?"? ?\]$/ })
  t.notThrows(() => Options.from({ allowedMethods: ['GET', 'HEAD', 'CONNECT', 'QUERY'] }))
})

test('the documentation is the table of the sources', (t) => {
  t.is(readFileSync(new URL('../docs/options.md', import.meta.url), 'utf8'), table)
})

test.serial('the environment overrides the keep-alive time', async (t) => {
  process.env['BUSBAR_KEEP_ALIVE_TIMEOUT'] = '77'
  t.teardown(() => delete process.env['BUSBAR_KEEP_ALIVE_TIMEOUT'])
  const { connect } = await open(t, () => new Response(204))
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.regex(await wire.until((text) => text.endsWith('\r\n\r\n')), /\r\nkeep-alive: timeout=77\r\n/)
})

test.serial('an invalid value in the environment throws when the server starts', async (t) => {
  process.env['BUSBAR_KEEP_ALIVE_TIMEOUT'] = '15s'
  t.teardown(() => delete process.env['BUSBAR_KEEP_ALIVE_TIMEOUT'])
  const server = new HttpServer('localhost:0', () => new Response(204))
  await t.throwsAsync(server.start(), { message: /BUSBAR_KEEP_ALIVE_TIMEOUT in the environment must be .*"15s"/ })
  t.is(server.getState(), HttpServer.STOPPED)
})

/** Each option of the reference: its getter, its setter, and a value other than the default. */
const ACCESSORS = [
  ['isInDebugMode', 'withDebugMode', true],
  ['getConnectionLimit', 'withConnectionLimit', 7],
  ['getConnectionsPerIpLimit', 'withConnectionsPerIpLimit', 7],
  ['getHttp1Timeout', 'withHttp1Timeout', 7],
  ['getHttp2Timeout', 'withHttp2Timeout', 7],
  ['getTlsSetupTimeout', 'withTlsSetupTimeout', 7],
  ['getBodySizeLimit', 'withBodySizeLimit', 7],
  ['getHeaderSizeLimit', 'withHeaderSizeLimit', 7],
  ['getConcurrentStreamLimit', 'withConcurrentStreamLimit', 7],
  ['getChunkSize', 'withChunkSize', 7],
  ['getStreamThreshold', 'withStreamThreshold', 7],
  ['isCompressionEnabled', 'withCompression', true],
  ['isRequestLogContextEnabled', 'withRequestLogContext', true],
  ['isHttp2UpgradeAllowed', 'withHttp2Upgrade', false],
  ['isPushEnabled', 'withPush', false],
] as const
const SWITCHES = [
  ['isInDebugMode', 'withDebugMode', 'withoutDebugMode'],
  ['isCompressionEnabled', 'withCompression', 'withoutCompression'],
  ['isRequestLogContextEnabled', 'withRequestLogContext', 'withoutRequestLogContext'],
] as const

test('each option of the reference has a getter and a copy with another value', (t) => {
  const options = Options.from()
  for (const [getter, setter, value] of ACCESSORS) {
    const before = options[getter]()
    t.is((options[setter] as (value: unknown) => Options)(value)[getter](), value, setter)
    t.is(options[getter](), before, getter)
  }
  t.deepEqual(options.withAllowedMethods(['GET', 'HEAD', 'GET']).getAllowedMethods(), ['GET', 'HEAD'])
  for (const [getter, on, off] of SWITCHES) {
    t.true(options[on]()[getter](), on)
    t.false(options[on]()[off]()[getter](), off)
  }
  t.false(options.withoutPush().isPushEnabled())
  t.false(options.withoutHttp2Upgrade().isHttp2UpgradeAllowed())
})
