/**
 * The shortest way to a running server.
 */
import type { Handler } from '../handler/handler.ts'
import type { Listen } from './listen.ts'
import type { Options } from '../options/options.ts'
import { HttpServer } from './server.ts'
import type { ServerSettings } from './server-settings.ts'

/**
 * Makes and starts a server.
 *
 * @example await using server = await serve(8080, () => Response.json({ ok: true }))
 */
export async function serve(
  listen: Listen | readonly Listen[],
  handler: Handler,
  settings: Options | ServerSettings = {},
): Promise<HttpServer> {
  const server = new HttpServer(listen, handler, settings)
  await server.start()
  return server
}
