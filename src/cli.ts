#!/usr/bin/env node
/**
 * The command: `busbar serve [module]`.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { isFetchApplication } from './handler/fetch-application.ts'
import { toFunction } from './handler/handler.ts'
import type { Handler } from './handler/handler.ts'
import { BusbarError, HttpServer, ListenError, stopOnSignals } from './index.ts'
import type { ServerSettings, StopReport, TlsOptions } from './index.ts'
import { welcome } from './pages/welcome.ts'

const HELP = `Usage: busbar serve [module] [options]
       busbar init [directory]

serve serves the handler that a module exports by default, with the settings that it
exports by the name settings; without a module, a page that shows the request and
its client. A handler is a function, or an object with handleRequest or fetch, such
as an application of Hono. TypeScript needs Node 22.18 or newer.

init makes a small project in TypeScript, with routes, a test and a Dockerfile.

Options:
  --port PORT             port to listen on; 0 lets the system choose (PORT in the
                          environment, else port beside fetch, else 8080, with TLS
                          8443)
  --host HOST             IP address or localhost (hostname beside fetch, else all
                          interfaces)
  --tls                   HTTPS, with a certificate for localhost that is made at the
                          first time and kept in your cache folder
  --cert FILE             HTTPS, with this certificate in PEM and its intermediates
  --key FILE              the key of that certificate; both are read again when they
                          change
  --stop-timeout SECONDS  how long SIGINT and SIGTERM let requests finish (25)
  --drain-delay SECONDS   how long the server still serves before that, with
                          Connection: close, so that a balancer stops using it (0)
  --watch                 start again when a file of the module changes
  --help                  show this text
  --version               show the version

SIGINT and SIGTERM stop the server and end the command with exit code 0; a second
signal ends it at once with exit code 1. A module sees that it drains by isReady()
of the server, which onStart(server) of an exported object is given.

Examples:
  busbar init my-app                        a new project in my-app/
  busbar serve src/app.ts --port 3000 --watch
                                            started again after each change
  busbar serve app.mjs --tls                HTTPS and HTTP/2 on localhost
  busbar serve app.mjs --drain-delay 5      behind a balancer
`

/** An error of use: one line for the user, and the exit code. */
class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.help === true) return void process.stdout.write(HELP)
  if (values.version === true) return void process.stdout.write(`${version()}\n`)
  const [command, module, ...more] = positionals
  if (command === 'init' && more.length === 0) return makeProject(module ?? '.')
  if (command !== 'serve' || more.length > 0) {
    const what = command === undefined ? 'a command is missing' : `unknown: ${(command === 'serve' || command === 'init' ? more : [command]).join(' ')}`
    throw new CommandError(`${what}; see busbar --help`, 2)
  }
  const timeout = seconds('--stop-timeout', values['stop-timeout'] ?? '25')
  const drain = seconds('--drain-delay', values['drain-delay'] ?? '0')
  const isTls = wantsTls(values)
  const given = values.port ?? process.env['PORT']
  if (given !== undefined) port(given)
  if (values.watch === true) return watch(args)
  const { handler, settings } = module === undefined ? { handler: welcome, settings: {} } : await load(module)
  const own = addressOf(handler)
  const listen = { host: values.host ?? own.host, port: port(given ?? own.port ?? (isTls ? '8443' : '8080')) }
  const { tls, hints } = isTls ? await secure(values) : PLAIN
  const server = new HttpServer(tls === null ? listen : { ...listen, tls }, handler, settings)
  await run(server, { timeout, drain })
  for (const hint of hints(server.url)) process.stdout.write(`${hint}\n`)
}

async function makeProject(directory: string): Promise<void> {
  const { InitError, init } = await import('./cli/init.ts')
  try {
    for (const line of await init(directory, version())) process.stdout.write(`${line}\n`)
  } catch (error) {
    if (!(error instanceof InitError)) throw error
    throw new CommandError(error.message, 1)
  }
}

/** How the server speaks TLS, and what the user reads once its URL is known. */
interface Secured {
  readonly tls: TlsOptions | null
  readonly hints: (url: string) => readonly string[]
}

const PLAIN: Secured = { tls: null, hints: () => [] }

function wantsTls({ tls, cert, key }: Values): boolean {
  if ((cert === undefined) === (key === undefined)) return tls === true || cert !== undefined
  const [given, missing] = cert === undefined ? ['--key', '--cert'] : ['--cert', '--key']
  throw new CommandError(`${given} needs ${missing}; see busbar --help`, 2)
}

async function secure({ cert, key }: Values): Promise<Secured> {
  if (cert !== undefined && key !== undefined) return { tls: { cert, key, watch: true }, hints: () => [] }
  const { developmentCertificate, howToTrust } = await import('./tls/development-certificate.ts')
  const made = await developmentCertificate()
  const hints = (url: string): string[] => [
    `its certificate is ${made.cert}, for this machine alone, until ${made.validTo.toISOString().slice(0, 10)}; to trust it:`,
    ...howToTrust(made.cert, url).map((line) => `  ${line}`),
  ]
  return { tls: { cert: made.cert, key: made.key, watch: true }, hints }
}

/** Where a module for Bun says that it listens: `export default { port, hostname, fetch }`. */
function addressOf(handler: Handler): { host?: string | undefined; port?: string | undefined } {
  if (!isFetchApplication(handler)) return {}
  const { port, hostname } = handler as { port?: unknown; hostname?: unknown }
  const isPort = typeof port === 'number' || typeof port === 'string'
  return { host: typeof hostname === 'string' ? hostname : undefined, port: isPort ? String(port) : undefined }
}

/** Runs the command without `--watch` in a process that the runtime starts again when a file changes. */
function watch(args: string[]): void {
  const rest = args.filter((arg) => arg !== '--watch')
  // A restart doesn't wait for requests.
  const patience = rest.some((arg) => arg.startsWith('--stop-timeout')) ? [] : ['--stop-timeout=0']
  const command = ['--watch', '--watch-preserve-output', ...process.execArgv, process.argv[1]!, ...rest, ...patience]
  const child = spawn(process.execPath, command, { stdio: 'inherit' })
  // A terminal sends its signals to the child as well.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
}

function parse(args: string[]): { values: Values; positionals: string[] } {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        tls: { type: 'boolean' },
        cert: { type: 'string' },
        key: { type: 'string' },
        'stop-timeout': { type: 'string' },
        'drain-delay': { type: 'string' },
        watch: { type: 'boolean' },
        help: { type: 'boolean' },
        version: { type: 'boolean' },
      },
    })
  } catch (error) {
    // The further sentences of Node are about positionals that look like options.
    throw new CommandError(`${reason(error).split('. ', 1)[0]}; see busbar --help`, 2)
  }
}

interface Values {
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly tls?: boolean | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly 'stop-timeout'?: string | undefined
  readonly 'drain-delay'?: string | undefined
  readonly watch?: boolean | undefined
  readonly help?: boolean | undefined
  readonly version?: boolean | undefined
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new CommandError(`the port must be a number from 0 to 65535; got ${JSON.stringify(text)}`, 2)
  }
  return Number(text)
}

function seconds(option: string, text: string): number {
  if (!/^\d{1,9}(\.\d+)?$/.test(text)) {
    throw new CommandError(`${option} must be a number of seconds; got ${JSON.stringify(text)}`, 2)
  }
  return Number(text)
}

/** What a module exports for the command. */
interface Served {
  readonly handler: Handler
  readonly settings: ServerSettings
}

async function load(module: string): Promise<Served> {
  let found: { default?: unknown; settings?: unknown }
  try {
    found = (await import(pathToFileURL(resolve(module)).href)) as { default?: unknown; settings?: unknown }
  } catch (error) {
    // Node shows the place of a syntax error only when the error isn't caught.
    if (error instanceof SyntaxError) throw error
    throw new CommandError(`${module} can't be loaded: ${loadReason(error, resolve(module))}`, 1)
  }
  const { default: handler, settings = {} } = found
  if (handler === undefined) {
    throw new CommandError(`${module} has no handler as its default export: export default (request) => new Response(…)`, 1)
  }
  try {
    toFunction(handler as Handler)
  } catch (error) {
    throw new CommandError(`the default export of ${module}: ${reason(error)}`, 1)
  }
  if (typeof settings !== 'object' || settings === null) {
    throw new CommandError(`${module} exports settings that are no object: export const settings = { http1Timeout: 30 }`, 1)
  }
  return { handler: handler as Handler, settings: settings as ServerSettings }
}

async function run(server: HttpServer, stop: { timeout: number; drain: number }): Promise<void> {
  await server.start()
  tellStop(stop)
  stopOnSignals(server, { ...stop, onStopped })
  const took = Math.round(performance.now())
  process.stdout.write(`\u279c ${server.url} (${protocols(server)}) \u00b7 ready in ${took} ms\n`)
}

/** What clients can speak with the server, by the names of ALPN; h2c is HTTP/2 without TLS. */
function protocols(server: HttpServer): string {
  const options = server.getOptions()
  const isTls = server.url.startsWith('https:')
  if (options.get(isTls ? 'http2' : 'http2Cleartext')) return isTls ? 'h2, http/1.1' : 'h2c, http/1.1'
  return 'http/1.1'
}

/** Says what a signal begins and what a second one ends. Called before `stopOnSignals`, which ends the process at the second. */
function tellStop({ timeout, drain }: { timeout: number; drain: number }): void {
  let isStopping = false
  const onSignal = (signal: NodeJS.Signals): void => {
    const serves = drain > 0 ? `serves on for ${drain} s with connection: close, then ` : ''
    if (isStopping) process.stdout.write(`${signal} again: ended at once\n`)
    // A restart by --watch, which has no time for requests, says nothing.
    else if (drain > 0 || timeout > 0) process.stdout.write(`${signal}: ${serves}stops within ${timeout} s; a second signal ends it at once\n`)
    isStopping = true
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
}

function onStopped(_server: HttpServer, { finished, cutOff }: StopReport): void {
  const requests = (count: number): string => `${count} ${count === 1 ? 'request' : 'requests'}`
  process.stdout.write(`stopped: ${requests(finished)} under way finished, ${cutOff} cut off\n`)
}

function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}

/** Why a module can't be loaded, with the place in the source where the error has one. */
function loadReason(error: unknown, path: string): string {
  const { code, url } = (error ?? {}) as { code?: unknown; url?: unknown }
  if (url === pathToFileURL(path).href) {
    if (code === 'ERR_MODULE_NOT_FOUND') return `there is no file ${path}`
    if (code === 'ERR_UNSUPPORTED_DIR_IMPORT') return `${path} is a directory`
  }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    const loader = 'with the package tsx installed, NODE_OPTIONS=--import=tsx loads it on this one'
    return `${reason(error)}; TypeScript needs Node 22.18 or newer, this is ${process.version}: ${loader}`
  }
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const place = /(?:file:\/\/|[\s(])(\/[^\s():]+:\d+)/.exec(stack)?.[1]
  return reason(error) + (place === undefined ? '' : ` (${place})`)
}

function fail(error: unknown): void {
  if (!(error instanceof CommandError) && !(error instanceof BusbarError)) throw error
  process.stderr.write(`busbar: ${error.message}\n`)
  if (error instanceof CommandError) process.exit(error.exitCode)
  process.exit(error instanceof ListenError ? 1 : 2)
}

main(process.argv.slice(2)).catch(fail)
