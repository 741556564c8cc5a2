/**
 * Answers by servers without a socket.
 */
import { HttpServer, Request, silentLogger } from '../src/index.ts'
import type { Handler, Logger, Response, ServerSettings } from '../src/index.ts'

/** What a server with this handler answers to a request. */
export function answer(handler: Handler, request = get(), settings: ServerSettings = {}): Promise<Response> {
  return new HttpServer(0, handler, { logger: silentLogger, ...settings }).inject(request)
}

/** A GET with these fields. */
export function get(target = '/', headers: Record<string, string> = {}): Request {
  return Request.create('GET', target, { headers })
}

/** A logger that keeps its lines, each with its level before it. */
export function keepLines(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const levels = Object.keys(silentLogger).map((level) => [level, (message: string) => void lines.push(`${level}: ${message}`)])
  return { logger: Object.fromEntries(levels) as Logger, lines }
}
