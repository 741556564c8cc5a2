#!/usr/bin/env node
/**
 * The command: `busbar serve [module]`.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Handler } from './handler.ts'
import { BusbarError, HttpServer, ListenError } from './index.ts'
import { welcome } from './welcome.ts'

const HELP = `Usage: busbar serve [module] [options]

Serves the handler that a module exports by default; without a module, a page
that shows the request and its client.

Options:
  --port PORT   port to listen on; 0 lets the system choose (PORT, else 8080)
  --host HOST   IP address or localhost; all interfaces when left out
  --help        show this text
  --version     show the version

Example:
  busbar serve examples/hello.mjs --port 3000
`

/** Something the user can mend: a line for them, and the exit code. */
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
  if (command !== 'serve' || more.length > 0) {
    const what = command === undefined ? 'a command is missing' : `unknown: ${[command, ...more].join(' ')}`
    throw new CommandError(`${what}; see busbar --help`, 2)
  }
  const handler = module === undefined ? welcome : await load(module)
  await run(handler, values.host, port(values.port ?? process.env['PORT'] ?? '8080'))
}

function parse(args: string[]): { values: Values; positionals: string[] } {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        help: { type: 'boolean' },
        version: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new CommandError(`${reason(error)}; see busbar --help`, 2)
  }
}

interface Values {
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly help?: boolean | undefined
  readonly version?: boolean | undefined
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new CommandError(`the port must be a number from 0 to 65535; got ${JSON.stringify(text)}`, 2)
  }
  return Number(text)
}

async function load(module: string): Promise<Handler> {
  let found: { default?: unknown }
  try {
    found = (await import(pathToFileURL(resolve(module)).href)) as { default?: unknown }
  } catch (error) {
    throw new CommandError(`${module} can't be loaded: ${reason(error)}`, 1)
  }
  const handler = found.default
  const isHandler =
    typeof handler === 'function' ||
    (typeof handler === 'object' && handler !== null && 'handleRequest' in handler)
  if (!isHandler) {
    throw new CommandError(`${module} has no handler as its default export: export default (request) => new Response(…)`, 1)
  }
  return handler as Handler
}

async function run(handler: Handler, host: string | undefined, port: number): Promise<void> {
  const server = new HttpServer(host === undefined ? port : { host, port }, handler)
  await server.start()
  let isStopping = false
  const stop = (): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    server.stop().then(() => process.exit(0), fail)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.stdout.write(`busbar is ready on ${server.url} after ${Math.round(performance.now())} ms\n`)
}

function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}

function fail(error: unknown): void {
  if (error instanceof CommandError) {
    process.stderr.write(`busbar: ${error.message}\n`)
    process.exit(error.exitCode)
  }
  if (error instanceof ListenError) {
    process.stderr.write(`busbar: ${error.message}\n`)
    process.exit(1)
  }
  if (error instanceof BusbarError) {
    process.stderr.write(`busbar: ${error.message}\n`)
    process.exit(2)
  }
  throw error
}

main(process.argv.slice(2)).catch(fail)
