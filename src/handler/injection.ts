/**
 * Requests that a test answers without a socket, by the rules that hold on one: the limits of requests, a client, and
 * the response as a client would receive it.
 */
import { sourceOf } from '../body/source.ts'
import type { Body } from '../body/source.ts'
import { makeInjectedClient } from '../connection/injected-client.ts'
import type { Client } from '../connection/client.ts'
import { HandlerError, StateError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import { Request, connectRequest, connectionOf, isBodyUnread } from '../message/request.ts'
import { Response, extrasOf } from '../message/response.ts'
import type { Extras } from '../message/response-delivery.ts'
import { inject } from './inject.ts'
import type { InjectSettings } from './inject.ts'
import type { HandlerFunction } from './handler.ts'

/** Bytes of ` HTTP/1.1`. */
const VERSION_BYTES = 9
/** Host names and addresses with a port. RFC 9112 §3.2. */
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=%:[\]]*$/
/** Statuses whose responses have no content. */
const BODILESS: readonly number[] = [204, 304]

/** Answers a request as a client on a socket would be answered. `local` is the address it came to. */
export async function injectAsClient(
  request: Request,
  settings: InjectSettings,
  local: SocketAddress | null,
): Promise<Response> {
  if (!(request instanceof Request)) throw new StateError('server.inject takes a Request; see Request.create')
  const { options, logger } = settings
  const client = makeInjectedClient(connectionOf(request), { options, logger }, local)
  const limit = options.get('bodySizeLimit')
  connectRequest(request, client)
  const refusal = refusalOf(request, settings)
  const handler: HandlerFunction = refusal === null ? settings.handler : () => Promise.reject(new HttpErrorException(refusal))
  const checked: HandlerFunction = async (given) => {
    const response = await handler(given)
    const isOver = Number(given.getHeader('content-length') ?? 0) > limit
    if (isOver && response instanceof Response && response.getStatus() < 400 && isBodyUnread(given)) {
      throw new HttpErrorException(413)
    }
    return response instanceof Response ? checkStatus(response) : response
  }
  const response = await inject(request, { ...settings, handler: checked })
  return received(request.getMethod(), response, settings, client)
}

/** The status with which the server refuses a request before its handler is called; null for a valid one. */
function refusalOf(request: Request, { options }: InjectSettings): number | null {
  const line = `${request.getMethod()} ${request.getTarget()}`
  if (line.length + VERSION_BYTES > options.get('requestLineLimit')) return 414
  const pairs = request.getRawHeaders()
  const size = pairs.reduce((sum, [name, value]) => sum + Buffer.byteLength(`${name}: ${value}\r\n`, 'latin1'), -2)
  if (size > options.get('headerSizeLimit') || pairs.length > options.get('headerFieldLimit')) return 431
  const hosts = request.getHeaderArray('host')
  if (hosts.length > 1 || !HOST.test(hosts[0] ?? '')) return 400
  if (hosts.length === 0 && request.getProtocolVersion() !== '1.0') return 400
  const expected = request.getHeader('expect')
  return expected === null || expected.toLowerCase() === '100-continue' ? null : 417
}

function checkStatus(response: Response): Response {
  const status = response.getStatus()
  if (status >= 200 || response.isUpgraded()) return response
  throw new HandlerError(`a handler can't answer with ${status}; see request.inform and response.upgrade`)
}

/** The response as a client receives it: with the length of its content, and without content where there is none. */
function received(method: string, response: Response, settings: InjectSettings, client: Client): Response {
  if (response.isUpgraded()) return response
  const status = response.getStatus()
  const extras = extrasOf(response)
  const report = (exception: unknown): void => settings.logger.error('a dispose hook of a response failed', { exception })
  const fields = response.getRawHeaders().filter(([name]) => !(status === 204 && name.toLowerCase() === 'content-length'))
  for (const link of extras?.links() ?? []) fields.push(['link', link])
  const hasLength = fields.some(([name]) => name.toLowerCase() === 'content-length')
  const isWhole = extras?.isStreamed !== true
  if (!hasLength && isWhole && !BODILESS.includes(status)) fields.push(['content-length', '0'])
  const body = method === 'HEAD' || BODILESS.includes(status) ? null : response.getBody()
  if (extras !== null && body === null && extras.isStreamed) cancel(response.getBody(), extras, report)
  const kept = status === 304 && isWhole && response.getBody() !== null ? withoutLength(fields) : fields
  const answer = new Response(status, kept, body === null || isWhole ? body : streamed(body, extras, client, report))
  answer.setStatus(status, response.getReason())
  const trailers = response.getTrailers()
  if (trailers !== null && body !== null) answer.setTrailers(trailers)
  if (isWhole || body === null) extras?.dispose(report)
  return answer
}

function withoutLength(fields: [string, string][]): [string, string][] {
  return fields.filter(([name]) => name.toLowerCase() !== 'content-length')
}

function cancel(body: Body | null, extras: Extras, report: (error: unknown) => void): void {
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return
  extras.inBodyContext(() => sourceOf(body).cancel(report))
}

/** The pieces of a body. At its end, or when its reader stops, the response is over. */
async function* streamed(
  body: Body,
  extras: Extras | null,
  client: Client,
  report: (error: unknown) => void,
): AsyncGenerator<Uint8Array | string, void, undefined> {
  const run = <Result>(call: () => Result): Result => (extras === null ? call() : extras.inBodyContext(call))
  if (typeof body === 'string' || body instanceof Uint8Array) {
    yield body
    return extras?.dispose(report)
  }
  const source = run(() => sourceOf(body))
  let isOver = false
  const next = async (): Promise<IteratorResult<unknown>> => {
    try {
      const item = await run(() => source.next())
      isOver = item.done === true
      return item
    } catch (error) {
      isOver = true
      throw error
    }
  }
  try {
    for (let item; (item = await next()).done !== true; ) yield item.value as Uint8Array | string
  } finally {
    if (!isOver) run(() => source.cancel(report))
    extras?.dispose(report)
    if (!isOver) client.close()
  }
}
