/**
 * Classes of the application for requests and responses: the options `IncomingMessage` and `ServerResponse`.
 *
 * Each message is made by the application's constructor, which calls that of Node, as by Node's own servers. Then it
 * becomes one of ours: the members of ours stand below the class, see bridges.ts.
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import { adoptRequests, adoptResponses } from './bridges.ts'
import type { Exchange } from './exchange.ts'
import { NodeRequest } from './node-request.ts'
import type { NodeResponse } from './node-response.ts'
import type { NodeSocket } from './node-socket.ts'
import { EXCHANGE } from './symbols.ts'

type RequestClass = new (socket: NodeSocket) => NodeRequest
type ResponseClass = new (request: NodeRequest, options: ResponseOptions) => NodeResponse

/** What Node gives the constructor of a response beside its request. */
export interface ResponseOptions {
  readonly highWaterMark: number
  readonly rejectNonStandardBodyWrites: boolean
}

/** The classes of a server's options; null for Node's own. */
export interface MessageClasses {
  readonly Request: RequestClass | null
  readonly Response: ResponseClass | null
}

/** Why messages of these classes can't be ours; null when they can. */
export function classObstacle({ IncomingMessage: Request, ServerResponse: Response }: Readonly<Record<string, unknown>>): string | null {
  if (!isClassOf(Request, IncomingMessage)) return 'the option IncomingMessage: it has no class that extends http.IncomingMessage'
  if (!isClassOf(Response, ServerResponse)) return 'the option ServerResponse: it has no class that extends http.ServerResponse'
  return null
}

function isClassOf(given: unknown, Base: abstract new (...given: never[]) => unknown): boolean {
  return given === undefined || given === Base || (typeof given === 'function' && (given.prototype as unknown) instanceof Base)
}

/** The classes of a server's options, prepared to be ours. */
export function classesOf({ IncomingMessage: Request, ServerResponse: Response }: Readonly<Record<string, unknown>>): MessageClasses {
  const isOwnRequest = Request !== undefined && Request !== IncomingMessage
  const isOwnResponse = Response !== undefined && Response !== ServerResponse
  if (isOwnRequest) adoptRequests((Request as RequestClass).prototype)
  if (isOwnResponse) adoptResponses((Response as ResponseClass).prototype)
  return { Request: isOwnRequest ? (Request as RequestClass) : null, Response: isOwnResponse ? (Response as ResponseClass) : null }
}

/** Makes a request of a class of the application's. */
export function requestOf(Class: RequestClass, exchange: Exchange, method: string, url: string, major: number, minor: number): NodeRequest {
  const { socket } = exchange.connection
  const request = new Class(socket)
  // What Node's constructor sets would hide the members that are made when they are asked for.
  for (const name of ['rawHeaders', 'rawTrailers', 'client']) Reflect.deleteProperty(request, name)
  return Object.assign(request, new NodeRequest(exchange, socket, method, url, major, minor), { upgrade: false })
}

/** Makes a response of a class of the application's. */
export function responseOf(Class: ResponseClass, exchange: Exchange, request: NodeRequest, socket: NodeSocket | null, options: ResponseOptions): NodeResponse {
  const response = new Class(request, options)
  // The engine knows what HTTP/1.0 can be sent.
  if (request.httpVersionMinor === 0) response.shouldKeepAlive = response.useChunkedEncodingByDefault = true
  Object.defineProperty(response, 'socket', { value: socket, writable: true, enumerable: true, configurable: true })
  response[EXCHANGE] = exchange
  return response
}
