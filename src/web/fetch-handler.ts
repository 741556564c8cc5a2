/**
 * Handlers that call a web-standard application.
 *
 *   Request ──► FetchRequest, RequestContext ──► fetch(request, context) ──► FetchResponse, or one of the platform's ──► Response
 */
import { HandlerError, show } from '../core/errors.ts'
import type { FetchApplication } from '../handler/fetch-application.ts'
import type { HandlerFunction } from '../handler/handler.ts'
import { Role, nameOf, valueOf } from '../http/fields.ts'
import type { Request } from '../message/request.ts'
import { Response, replaceLines } from '../message/response.ts'
import { RequestContext } from './fetch-context.ts'
import { linesOf } from './fetch-headers.ts'
import { FetchRequest } from './fetch-request.ts'
import { FetchResponse, partsOf } from './fetch-response.ts'
import type { FetchContent, FetchParts } from './fetch-response.ts'
import { override } from './globals.ts'
import { contentOf } from './platform.ts'

/** Blobs below this many bytes are read at once, larger ones piece by piece. */
const STREAM_ABOVE = 256 * 1024

/** A handler that calls an application. The globals are replaced unless that is refused. */
export function handlerOf(application: FetchApplication, overridesGlobals = true): HandlerFunction {
  if (overridesGlobals) override()
  return (request) => {
    const context = new RequestContext(request)
    let result
    try {
      result = application.fetch(new FetchRequest(request, context) as unknown as globalThis.Request, context, context)
    } catch (error) {
      context.fail(error)
      throw error
    }
    if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') return answered(result, request, context)
    return Promise.resolve(result).then(
      (response: unknown) => answered(response, request, context),
      (error: unknown) => {
        context.fail(error)
        throw error
      },
    )
  }
}

function answered(result: unknown, request: Request, context: RequestContext): Response | Promise<Response> {
  try {
    return answer(result, request, context)
  } catch (error) {
    context.fail(error)
    throw error
  }
}

function answer(result: unknown, request: Request, context: RequestContext): Response | Promise<Response> {
  if (result instanceof Response) return context.answer(result)
  const parts = result instanceof FetchResponse ? partsOf(result) : foreignParts(result)
  const { content } = parts
  if (!(content instanceof Blob) || content.size >= STREAM_ABOVE) return context.answer(responseOf(parts, content, request))
  return content.arrayBuffer().then((bytes) => context.answer(responseOf(parts, new Uint8Array(bytes), request)))
}

/** The parts of a response of the platform, or of another implementation of the web's. */
function foreignParts(result: unknown): FetchParts {
  if (!isResponse(result)) throw new HandlerError(`fetch must give a Response or a promise of one; got ${show(result)}`)
  const { status, statusText, body } = result
  if (status < 200 || status > 599) throw new HandlerError(`fetch can't answer with ${status}: ${result.type === 'error' ? 'it is Response.error()' : 'see the context, the second argument'}`)
  const content = contentOf(result)
  if (content === null && body !== null && body.locked) throw new HandlerError('the body of the response was read before it was sent; use clone()')
  const { lines, isSpecial } = linesOf(isDecoded(result) ? withoutCoding(result.headers) : result.headers)
  return { status, statusText, lines, isSpecial, content: content ?? (body as FetchContent) }
}

function isResponse(value: unknown): value is globalThis.Response {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers, body } = value as Readonly<Record<string, unknown>>
  return typeof status === 'number' && typeof headers === 'object' && headers !== null && Symbol.iterator in headers && typeof body === 'object'
}

/** Whether a response is what `fetch` has received: its content was decoded, and its fields still say otherwise. */
function isDecoded({ url, headers, body }: globalThis.Response): boolean {
  return url !== '' && body !== null && headers.has('content-encoding')
}

function withoutCoding(headers: Headers): [string, string][] {
  return [...headers].filter(([name]) => name !== 'content-encoding' && name !== 'content-length')
}

function responseOf({ status, statusText, lines, isSpecial }: FetchParts, content: FetchContent, request: Request): Response {
  const response = new Response(status)
  if (isSpecial) addSpecial(response, lines, content, request)
  else replaceLines(response, status, lines)
  if (content !== null) setContent(response, content)
  if (statusText !== '') response.setStatus(status, statusText)
  return response
}

function setContent(response: Response, content: Exclude<FetchContent, null>): void {
  const length = typeof content === 'object' && !(content instanceof Uint8Array || content instanceof Blob) ? response.getHeader('content-length') : null
  response.setBody(content)
  if (length !== null) response.setHeader('content-length', length)
}

/** Fields among which are some that the server handles itself. */
function addSpecial(response: Response, lines: string, content: FetchContent, request: Request): void {
  let ordinary = ''
  const special: [string, string][] = []
  for (const line of lines.split('\r\n').slice(0, -1)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    if (nameOf(name).role === Role.Ordinary) ordinary += `${line}\r\n`
    else special.push([name, valueOf(name, line.slice(colon + 2))])
  }
  replaceLines(response, response.getStatus(), ordinary)
  for (const [name, value] of special) {
    if (nameOf(name).role !== Role.Length || isLengthKept(content, response.getStatus(), request)) response.addHeader(name, value)
  }
}

/** Whether the application's `content-length` is sent: it is known better for content in memory. */
function isLengthKept(content: FetchContent, status: number, request: Request): boolean {
  if (content === null) return request.getMethod() === 'HEAD' || status === 304
  return typeof content === 'object' && !(content instanceof Uint8Array || content instanceof Blob)
}
