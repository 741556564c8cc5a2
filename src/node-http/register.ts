/**
 * `busbar/register`: puts busbar's servers in the place of Node's, for everything that is loaded after it.
 *
 *   node --import busbar/register app.js
 *   NODE_OPTIONS='--import busbar/register' npm start
 *
 * `BUSBAR_REGISTER=off` leaves Node as it is. With `NODE_DEBUG=busbar` each server is a line on stderr.
 */
import type nodeHttp from 'node:http'
import type nodeHttps from 'node:https'
import type nodeHttp2 from 'node:http2'
import { syncBuiltinESMExports } from 'node:module'
import { createServer, Server } from './index.ts'
import https from './https.ts'
import { createSecureServerOf } from './http2.ts'

if (process.env['BUSBAR_REGISTER'] !== 'off') {
  // The objects that `require` gives. What is imported follows them once it is synchronised.
  const http = process.getBuiltinModule('node:http') as Writable<typeof nodeHttp>
  const secure = process.getBuiltinModule('node:https') as Writable<typeof nodeHttps>
  const http2 = process.getBuiltinModule('node:http2') as Writable<typeof nodeHttp2>
  http.Server = Server
  http.createServer = createServer
  secure.Server = https.Server
  secure.createServer = https.createServer
  http2.createSecureServer = createSecureServerOf(http2.createSecureServer as never) as typeof http2.createSecureServer
  syncBuiltinESMExports()
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] }
