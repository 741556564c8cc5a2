/**
 * Drivers for the specs, and a server that uses them.
 */
import type { ExecutionContext } from 'ava'
import { Request, Response, silentLogger } from '../src/index.ts'
import type { Client, Driver, Handler, HttpDriver, LogContext, OnMessage, Parser, ServerSettings, WriteBytes } from '../src/index.ts'
import { open } from './support.ts'

/** A request is a line with a path; a response is its body, a line. */
export class LineDriver implements HttpDriver {
  readonly events: string[] = []
  client: Client | null = null
  send: WriteBytes | null = null
  /** Yields the promise of each request, as HTTP/1 does. */
  waits = true
  bodies = 0

  getPendingRequestCount(): number {
    return this.bodies
  }

  *setup(client: Client, onMessage: OnMessage, write: WriteBytes): Parser {
    this.client = client
    this.send = write
    let text = ''
    try {
      for (;;) {
        const end = text.indexOf('\n')
        if (end < 0) {
          const bytes: Uint8Array | null = yield
          this.events.push(`bytes ${String(bytes)}`)
          text += String(bytes)
          continue
        }
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        const headers: Record<string, string> = line === '/upgrade' ? { connection: 'upgrade', upgrade: 'raw' } : {}
        const done = onMessage(Request.create('GET', line, headers), Buffer.from(text))
        if (!this.waits) continue
        const resumed: Uint8Array | null = yield done
        this.events.push(`resumed with ${String(resumed)}`)
      }
    } finally {
      this.events.push('cleaned up')
    }
  }

  async write(request: Request, response: Response): Promise<void> {
    this.events.push(`write ${request.getPath()} ${response.getStatus()}`)
    const body = response.getBody()
    await this.send?.(`${typeof body === 'string' ? body : response.getStatus()}\n`)
  }

  async stop(): Promise<void> {
    this.events.push('stop')
  }
}

/** A driver with only a parser. */
export const parser = (setup: HttpDriver['setup'], rest: Partial<HttpDriver> = {}): HttpDriver => ({
  setup,
  write: async () => {},
  getPendingRequestCount: () => 0,
  stop: async () => {},
  ...rest,
})

/** A driver factory with only `selectDriver`. */
export const choosing = (selectDriver: (client: Client) => Driver) => ({ selectDriver, getApplicationLayerProtocols: () => [] })

/** A server whose drivers are made by the test. */
export async function drive<D extends Driver>(
  t: ExecutionContext,
  make: (client: Client) => D,
  handler: Handler = (request) => Response.text(request.getPath()),
  settings: ServerSettings = {},
) {
  const drivers: D[] = []
  const clients: Client[] = []
  const logged: string[] = []
  const note = (message: string, context?: LogContext): void => {
    logged.push(`${message}: ${String(context?.['exception'])}`)
  }
  const driverFactory = choosing((client) => {
    clients.push(client)
    const driver = make(client)
    drivers.push(driver)
    return driver
  })
  const logger = { ...silentLogger, error: note, critical: note }
  const opened = await open(t, handler, { logger, driverFactory, ...settings })
  return { ...opened, drivers, clients, logged }
}
