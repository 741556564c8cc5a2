/**
 * A started server of a web-standard application.
 */
import type { FetchFunction } from '../handler/fetch-application.ts'
import type { Listen, ListenObject } from '../server/listen.ts'
import { HttpServer } from '../server/server.ts'
import type { ServerSettings } from '../server/server-settings.ts'
import type { TlsOptions } from '../tls/tls-options.ts'
import { fromFetch } from './from-fetch.ts'
import type { FromFetchSettings } from './from-fetch.ts'

/** Settings of `serve`: those of a server, and where it listens. */
export interface FetchServerSettings extends ServerSettings, FromFetchSettings {
  /** Answers requests. */
  readonly fetch: FetchFunction
  /** The port; 0 lets the system choose. Default: `PORT` in the environment, else 8080. */
  readonly port?: number | string | undefined
  /** IP address or `localhost`; all interfaces when left out. */
  readonly hostname?: string | undefined
  /** HTTPS, and HTTP/2 with it: at least a certificate and its key. */
  readonly tls?: TlsOptions | undefined
  /** Addresses in any form that busbar takes, in place of `port`, `hostname` and `tls`. */
  readonly listen?: Listen | readonly Listen[] | undefined
}

/**
 * Makes and starts a server of a web-standard application. An application object can be given with its settings, as
 * `{ ...settings, fetch: app.fetch }`.
 *
 * @example await using server = await serve({ fetch: (request) => new Response(`You asked for ${request.url}`), port: 3000 })
 */
export async function serve(settings: FetchServerSettings): Promise<HttpServer> {
  const { fetch, port, hostname, tls, listen, overrideGlobals = true, ...others } = settings
  const server = new HttpServer(listen ?? address(port, hostname, tls), fromFetch(fetch, { overrideGlobals }), others)
  await server.start()
  return server
}

function address(port: number | string | undefined, host: string | undefined, tls: TlsOptions | undefined): ListenObject {
  const given = port ?? process.env['PORT'] ?? 8080
  const number = typeof given === 'string' && /^\d{1,5}$/.test(given) ? Number(given) : given
  return { port: number as number, ...(host === undefined ? {} : { host }), ...(tls === undefined ? {} : { tls }) }
}
