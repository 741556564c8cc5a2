/**
 * What the types say, checked by `tsc -p __test__` and never run. A line below `@ts-expect-error` must not
 * compile; everything else must. Nothing may come out as `any`.
 */
import type { WebSocket } from 'ws'
import { H3 } from 'h3'
import { Hono } from 'hono'
import { webSocket } from '../src/websocket/index.ts'
import { DocumentRoot } from '../src/static/index.ts'
import { MatchedRoute, Router } from '../src/router/index.ts'
import type { PathParameters } from '../src/router/index.ts'
import { fromFetch, serve as serveFetch } from '../src/fetch/index.ts'
import type { Duplex } from 'node:stream'
import {
  Attribute,
  BusbarError,
  CallableMiddleware,
  CallableRequestHandler,
  Client,
  ClientException,
  CompressionMiddleware,
  CookieAttributes,
  CorsMiddleware,
  DefaultClientFactory,
  ExceptionMiddleware,
  Forwarded,
  Http1Driver,
  HttpErrorException,
  HttpServer,
  HttpStatus,
  ListenError,
  Options,
  Request,
  RequestCookie,
  Response,
  ResponseCookie,
  SecurityHeadersMiddleware,
  SocketAddress,
  UpgradedSocket,
  redirectTo,
  serve,
  silentLogger,
  stack,
  streamDriver,
  versions,
} from '../src/index.ts'
import type {
  AnyMiddleware,
  ErrorHandler,
  ExceptionHandler,
  Fault,
  FetchContext,
  FieldName,
  FieldsInit,
  Handler,
  HandlerFunction,
  HttpDriver,
  HttpDriverFactory,
  KnownField,
  Listen,
  LogContext,
  Logger,
  Middleware,
  MiddlewareFunction,
  Next as NextHandler,
  OptionValues,
  Push,
  RequestBody,
  RequestHandler,
  ServerObserver,
  ServerSettings,
  ServerState,
  Stack,
  TlsInfo,
  UpgradeHandler,
  Versions,
} from '../src/index.ts'

/** True only for the very same type; `any` is the same as nothing but itself. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only when `A` is `B`. */
declare function same<A, B>(is: Same<A, B>): void
// @ts-expect-error any would hide everything
same<any, string>(true)

declare const request: Request
declare const response: Response
declare const client: Client
declare const body: RequestBody

// Handlers: functions and objects, at once or later.
const atOnce: Handler = () => Response.text('Hello')
const later: Handler = async (given) => Response.json(await given.json())
const object: Handler = { handleRequest: (given) => new Response(200, null, given.getPath()) }
class Greeter implements RequestHandler {
  handleRequest(given: Request): Promise<Response> {
    same<typeof given, Request>(true)
    return Promise.resolve(Response.text('Hello'))
  }
}
export const handlers: readonly Handler[] = [atOnce, later, object, new Greeter()]
// @ts-expect-error text is no response
export const text: Handler = () => 'Hello'
// @ts-expect-error nor is nothing, which a missing return gives
export const nothing: Handler = () => {}
// @ts-expect-error nor is the web's Response
export const web: Handler = () => new globalThis.Response('Hello')
// @ts-expect-error a handler is given a request
export const wrongParameter: Handler = (given: string) => Response.text(given)
same<Parameters<HandlerFunction>, [request: Request]>(true)
same<ReturnType<HandlerFunction>, Response | Promise<Response>>(true)

// What a middleware calls: callable, and a handler as an object, too.
type Next = HandlerFunction & RequestHandler
export async function timed(given: Request, next: Next): Promise<Response> {
  const answer = await next(given)
  same<typeof answer, Response>(true)
  return given.isIdempotent() ? answer : next.handleRequest(given)
}
export const nextIsAHandler = (next: Next): Handler => next

// Where to listen.
export const forms: readonly Listen[] = [
  8080,
  'localhost:8080',
  '[::1]:8080',
  'unix:/run/app.sock',
  { host: '127.0.0.1', port: 0, backlog: 16, reusePort: true, ipv6Only: false },
  { path: '/run/app.sock', mode: 0o660 },
]
export const several = new HttpServer(forms, atOnce)
// @ts-expect-error the key is misspelt
export const misspelt: Listen = { hots: 'localhost', port: 80 }
// @ts-expect-error a port is a number there
export const textPort: Listen = { port: '80' }
// @ts-expect-error a server needs a handler
export const noHandler = new HttpServer(8080)

// Settings: options with what is none.
const logger: Logger = {
  ...silentLogger,
  error(message, context) {
    same<typeof message, string>(true)
    same<typeof context, LogContext | undefined>(true)
  },
}
// @ts-expect-error console has not all eight levels
export const consoleLogger: Logger = console
const errorHandler: ErrorHandler = {
  handleError(status, reason, given) {
    same<typeof status, number>(true)
    same<typeof reason, string | null>(true)
    same<typeof given, Request | null>(true)
    return Response.json({ status }, status)
  },
}
const observer: ServerObserver = { onStart: (server) => same<typeof server, HttpServer>(true), onStop: async () => {} }
const settings: ServerSettings = { http1Timeout: 30, bodySizeLimit: Infinity, logger, errorHandler, observers: [observer] }
export const configured = new HttpServer(8080, atOnce, settings)
export const optioned = new HttpServer(8080, atOnce, Options.from().withHttp1Timeout(30).withoutCompression())
// The parameters of methods in a literal have the types of `Logger`.
export const whole = new HttpServer(8080, atOnce, {
  logger: { ...silentLogger, error: (message, context) => console.error(message.length, context?.['exception']) },
})
export const some = new HttpServer(8080, atOnce, {
  logger: {
    warn: (message, context) => console.warn(message.length, context?.['code']),
    info: async (message) => console.info(message.length),
  },
})
export const elsewhere = serve(8080, atOnce, { logger: console })
// @ts-expect-error a message is a string
export const numbers = new HttpServer(8080, atOnce, { logger: { ...silentLogger, error: (message) => message.toFixed() } })
// @ts-expect-error a level is a function
export const flags = new HttpServer(8080, atOnce, { logger: { info: true } })
export const silent = new HttpServer(8080, atOnce, { logger: null })
// @ts-expect-error no such option
export const unknownOption = new HttpServer(8080, atOnce, { httpTimeout: 30 })
// @ts-expect-error seconds are a number
export const secondsAsText = new HttpServer(8080, atOnce, { http1Timeout: '30' })
// @ts-expect-error no such option
Options.from({ bodyLimit: 1 })
// @ts-expect-error no such option
Options.from().get('bodyLimit')
same<ReturnType<Options['getAllowedMethods']>, readonly string[]>(true)
same<ReturnType<Options['toObject']>, OptionValues>(true)
const timeout = Options.from().get('http1Timeout')
same<typeof timeout, number>(true)

// The server.
export async function life(): Promise<void> {
  await using server = await serve('localhost:0', atOnce, settings)
  same<typeof server, HttpServer>(true)
  same<typeof server.url, string>(true)
  const state = server.getState()
  same<typeof state, ServerState>(true)
  same<(typeof HttpServer.STATES)[ServerState], 'STOPPED' | 'STARTING' | 'STARTED' | 'STOPPING'>(true)
  const addresses = server.getServers()
  same<typeof addresses, SocketAddress[]>(true)
  const injected = await server.inject(Request.create('POST', '/', { 'content-type': 'text/plain' }, 'Hello'))
  same<typeof injected, Response>(true)
  server.ref().unref()
  await server.stop(1000)
  // @ts-expect-error milliseconds are a number
  await server.stop('1s')
}

// Header names: known ones are completed, any other string will do.
const known: KnownField = 'content-type'
export const anyName: FieldName = 'X-Whatever'
// @ts-expect-error not one of the known names
export const unknownName: KnownField = 'x-whatever'
const first = request.getHeader(known)
same<typeof first, string | null>(true)
request.getHeader('X-Whatever')
same<ReturnType<Request['getHeaders']>, Record<string, string[]>>(true)
same<ReturnType<Request['getRawHeaders']>, [string, string][]>(true)
same<ReturnType<Response['getHeaderArray']>, string[]>(true)
const headers: readonly FieldsInit[] = [
  { 'content-type': 'text/plain', 'X-Number': 1, vary: ['accept', 'origin'] },
  [['set-cookie', 'a=1'], ['set-cookie', 'b=2']],
  new Headers({ a: '1' }),
  new Map([['a', '1']]),
]
for (const each of headers) new Response(200, each)
response.setHeader('x-a', ['1', 2])
// @ts-expect-error a value is text or a number
response.setHeader('x-a', true)
// @ts-expect-error a value is text or a number
export const undefinedValue = new Response(200, { 'x-a': undefined as undefined | { b: 1 } })
// @ts-expect-error the status comes first
export const bodyFirst = new Response('Hello')
// @ts-expect-error a plain object is no body; see Response.json
export const objectBody = new Response(200, null, { ok: true })
export const created = new Response(HttpStatus.CREATED, { location: '/orders/1' }, new Uint8Array(4))
// @ts-expect-error no such status
export const noStatus = HttpStatus.FINE

// Attributes carry their type.
interface User {
  readonly name: string
}
class Session {
  readonly id = 1
}
const UserKey = new Attribute<User>('user')
request.setAttribute(UserKey, { name: 'ada' })
request.setAttribute(Session, new Session())
request.setAttribute('free', 5)
// @ts-expect-error no user
request.setAttribute(UserKey, { nome: 'ada' })
// @ts-expect-error no session
request.setAttribute(Session, 5)
const user = request.getAttribute(UserKey)
same<typeof user, User>(true)
const session = request.getAttribute(Session)
same<typeof session, Session>(true)
const maybe = request.findAttribute(UserKey)
same<typeof maybe, User | undefined>(true)
const free = request.getAttribute('free')
same<typeof free, unknown>(true)

// Bodies: what is read is unknown until the code says what it is.
export async function bodies(): Promise<void> {
  const unknown = await request.json()
  same<typeof unknown, unknown>(true)
  const order = await body.json<{ id: number }>()
  same<typeof order, { id: number }>(true)
  same<typeof request extends { text(): Promise<infer Text> } ? Text : never, string>(true)
  const bytes: Uint8Array = await request.buffer()
  for await (const piece of body) same<typeof piece extends Uint8Array ? true : false, true>(true)
  const piece = await body.read()
  if (piece !== null) bytes.set(piece)
  // @ts-expect-error bytes are a number
  body.increaseSizeLimit('1mb')
}

// The rest of a request.
same<ReturnType<Request['getClient']>, Client>(true)
same<ReturnType<Request['getUri']>, URL>(true)
same<ReturnType<Request['getQueryParameter']>, string | null>(true)
same<ReturnType<Request['getSignal']>, AbortSignal>(true)
same<ReturnType<Request['getCookie']>, RequestCookie | null>(true)
same<ReturnType<Request['getCookies']>, Record<string, RequestCookie>>(true)
request.setQueryParameter('page', 2)
request.inform(103, { link: '</a.css>; rel=preload' })
// @ts-expect-error a version that there is
request.setProtocolVersion('3')

// Clients.
same<ReturnType<Client['getTlsInfo']>, TlsInfo | null>(true)
same<ReturnType<Client['close']>, boolean>(true)
const unsubscribe = client.onClose((gone) => same<typeof gone, Client>(true))
unsubscribe()
export function usesHook(): void {
  using _hook = client.onClose(async () => {})
}
export const isClosed = client.getStatus() === Client.CLOSED_RDWR
same<ReturnType<SocketAddress['getPort']>, number | null>(true)
same<ReturnType<SocketAddress['getVersion']>, 4 | 6 | null>(true)

// Cookies.
response.setCookie(new ResponseCookie('a', '1', CookieAttributes.default().withSameSite('Lax').withMaxAge(60)))
// @ts-expect-error no such site
CookieAttributes.default().withSameSite('lax')
// @ts-expect-error that is what clients send
response.setCookie(new RequestCookie('a', '1'))

// Errors say what they are.
export function explain(error: unknown): string {
  if (error instanceof ListenError) return error.reason
  if (error instanceof ClientException) return `${error.getCode()} ${error.getClient()?.getId()}`
  if (error instanceof HttpErrorException) {
    same<typeof error.status, number>(true)
    same<typeof error.code, 'BUSBAR_HTTP_ERROR'>(true)
  }
  if (error instanceof BusbarError) {
    same<typeof error.code, `BUSBAR_${string}`>(true)
    same<typeof error.fault, Fault>(true)
    same<typeof error.status, number | undefined>(true)
  }
  return ''
}

// Upgraded connections, and drivers.
const upgraded: Response = new Response(101, { upgrade: 'echo' }).upgrade(async (socket, asked, answered) => {
  same<typeof socket, UpgradedSocket>(true)
  same<typeof asked, Request>(true)
  same<typeof answered, Response>(true)
  const stream: Duplex = socket
  same<Awaited<ReturnType<typeof socket.readChunk>>, Uint8Array | null>(true)
  stream.end()
})
same<ReturnType<typeof upgraded.getUpgradeHandler>, UpgradeHandler | null>(true)
// @ts-expect-error a callback is needed
Response.detach()
const driverFactory: HttpDriverFactory = {
  selectDriver: (chosen) => (chosen.isUnix() ? new Http1Driver() : streamDriver(async (_, readable) => void readable.resume())),
  getApplicationLayerProtocols: () => [],
}
new HttpServer(0, atOnce, { driverFactory, clientFactory: new DefaultClientFactory() })
// @ts-expect-error a driver is more than a function
client.switchDriver(() => {})
client.switchDriver({} as HttpDriver, new Uint8Array(1))
client.switchDriver(new Http1Driver())
// @ts-expect-error a driver has all four methods
client.switchDriver({ stop: async () => {} })
// @ts-expect-error unread bytes are a Uint8Array
client.switchDriver(new Http1Driver(), 'bytes')
// @ts-expect-error requests that it hands over are busbar's
const wrongDriver: HttpDriver = { ...({} as HttpDriver), write: (request: string) => Promise.resolve(void request) }
void wrongDriver

// Middleware are functions or objects, and `next` is a handler.
declare const middleware: Middleware
declare const rest: NextHandler
const asFunction: MiddlewareFunction = (given, following) => {
  same<typeof given, Request>(true)
  same<typeof following, NextHandler>(true)
  return following(given)
}
const asHandler: Handler = rest
same<ReturnType<NextHandler>, Response | Promise<Response>>(true)
const hello: HandlerFunction = () => Response.text('hello')
same<typeof hello, HandlerFunction>(true)
// Without middleware it is the handler itself.
const unstacked = stack(hello)
same<typeof unstacked, HandlerFunction>(true)
const stacked = stack(asHandler, middleware, asFunction, async (given, following) => {
  same<typeof given, Request>(true)
  return following(given)
})
same<typeof stacked, Stack>(true)
new HttpServer(0, stacked, { observers: [stacked] })
const eitherForm: AnyMiddleware[] = [middleware, asFunction, new CallableMiddleware(asFunction)]
stack(new CallableRequestHandler(hello), ...eitherForm)
// @ts-expect-error a middleware gives a Response
stack(hello, () => 'Hello')
// @ts-expect-error next needs the request
stack(hello, (_, following) => following())

// Web-standard applications are handlers; the context is typed without a name.
export const application: Handler = {
  fetch(given, context) {
    same<typeof given, globalThis.Request>(true)
    same<typeof context, FetchContext>(true)
    same<typeof context.remoteAddress.family, 'IPv4' | 'IPv6' | 'unix'>(true)
    return new globalThis.Response(given.url)
  },
}
export const hono: Handler = new Hono()
export const h3: Handler = new H3()
export const fromFunction: HandlerFunction = fromFetch(async (given, { client: peer }) => {
  same<typeof peer, Client>(true)
  return globalThis.Response.json({ url: given.url })
})
// @ts-expect-error an application gives a Response
export const noResponse: Handler = { fetch: () => 'Hello' }
// @ts-expect-error fetch is needed
serveFetch({ port: 8080 })

same<typeof versions, Versions>(true)
// @ts-expect-error versions are fixed
versions.llhttp = '0'
// Parameters have the names in the pattern.
same<PathParameters<'/'>, {}>(true)
same<PathParameters<'/notes/:id'>, { readonly id: string }>(true)
same<PathParameters<'/:from-:to/x/:name.:ext'>, { readonly from: string; readonly to: string; readonly name: string; readonly ext: string }>(true)
same<PathParameters<'/:id(^\\d+)/:rest?'>, { readonly id: string; readonly rest?: string }>(true)
same<PathParameters<'/:h(^(?:\\d){2})h'>, { readonly h: string }>(true)
same<PathParameters<'/files/*'>, { readonly '*': string }>(true)
same<PathParameters<'/a/:b/*'>, { readonly b: string; readonly '*': string }>(true)
same<PathParameters<'/a::b'>, {}>(true)
same<PathParameters<'/a/?'>, {}>(true)
same<PathParameters<string>, Readonly<Record<string, string | undefined>>>(true)
export const routed: Handler = new Router()
  .route('GET', '/notes/:id', (given, { id }) => {
    same<typeof given, Request>(true)
    same<typeof id, string>(true)
    const { pattern } = given.getAttribute(MatchedRoute)
    same<typeof pattern, string>(true)
    return Response.text(id)
  })
  .route(['PUT', 'PATCH'], '/notes/:id', { handleRequest: () => new Response(204) })
  .route('GET', '/web/*', new Hono())
  .mount('/app', new H3())
// @ts-expect-error no such parameter
new Router().route('GET', '/notes/:id', (_given, { name }) => Response.text(name))

// Files and WebSockets are handlers.
export const staticFiles: Handler = new DocumentRoot('public', { index: ['index.html'], maxAge: 60, fallback: 'index.html' })
export const chat: Handler = webSocket((socket, given) => {
  same<typeof socket, WebSocket>(true)
  same<typeof given, Request>(true)
})
// @ts-expect-error no such setting
new DocumentRoot('public', { maxage: 60 })
// @ts-expect-error no such setting
webSocket(() => {}, { maxpayload: 1 })

// Middleware and handlers of busbar.
new CompressionMiddleware({ codings: ['br', 'gzip'], levels: { gzip: 6 }, types: /^text/ })
// @ts-expect-error deflate isn't offered
new CompressionMiddleware({ codings: ['deflate'] })
new CorsMiddleware({ origin: (origin, asked) => same<typeof origin, string>(true) === undefined && same<typeof asked, Request>(true) === undefined })
// @ts-expect-error a misspelt setting
new CorsMiddleware({ origins: '*' })
new SecurityHeadersMiddleware({ 'x-frame-options': null })
// @ts-expect-error an unknown field
new SecurityHeadersMiddleware({ 'x-frame': 'DENY' })
const exceptionHandler: ExceptionHandler = {
  handleException: (given, error) => {
    same<typeof given, Request>(true)
    same<typeof error, unknown>(true)
    return new Response(500)
  },
}
new ExceptionMiddleware(exceptionHandler)
const forwarded = request.findAttribute(Forwarded.ATTRIBUTE)
same<typeof forwarded, Forwarded | null | undefined>(true)
const pushes = response.getPushes()
same<typeof pushes, ReadonlyMap<string, Push>>(true)
same<ReturnType<typeof redirectTo>, Response>(true)
declare const duplex: Duplex
if (duplex instanceof UpgradedSocket) same<ReturnType<typeof duplex.getClient>, Client>(true)
const preset = HttpServer.createForDirectAccess(443, hello, { concurrencyLimit: null, allowedMethods: null, exceptionHandler, middleware: [asFunction] })
same<typeof preset, HttpServer>(true)
HttpServer.createForBehindProxy(8080, hello, { proxies: ['unix'], forwardedHeaders: 'forwarded' })
// @ts-expect-error a server behind a proxy needs its proxies
HttpServer.createForBehindProxy(8080, hello, {})
