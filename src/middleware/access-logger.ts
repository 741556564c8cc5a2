/**
 * A log line for each response behind a middleware.
 */
import { toLogger } from '../core/any-logger.ts'
import type { AnyLogger } from '../core/any-logger.ts'
import { OptionError } from '../core/errors.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { attempt } from '../core/outcome.ts'
import { guarded, stderrLogger } from '../core/stderr-logger.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { reasonPhrase } from '../http/status.ts'
import { onResponseEnd } from '../message/request.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { ResponseEnd } from '../message/response-end.ts'
import { accessLogHook } from './access-log.ts'
import type { AccessLog } from './access-log.ts'
import type { Middleware, Next } from './middleware.ts'

/** Writes the line of a finished response. */
type Write = (request: Request, end: ResponseEnd) => void

/**
 * Logs each response behind it at its true end, with status, bytes and duration.
 *
 * A logger is given a line at level info, at notice for statuses from 400 on, and at warning when the client got no complete
 * answer; its context has the parts. `'combined'`, `'json'` and a function are as in the setting `accessLog`, which logs all
 * responses of a server.
 *
 * @example stack(api, new AccessLoggerMiddleware(logger))
 */
export class AccessLoggerMiddleware implements Middleware {
  readonly #write: Write

  constructor(log: AnyLogger | AccessLog) {
    this.#write = typeof log === 'function' || typeof log === 'string' ? entryWriter(log) : lineWriter(guarded(toLogger(log)))
  }

  /**
   * Passes the request on.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    if (onResponseEnd(request, (end) => this.#write(request, end))) return next(request)
    return this.#withoutEnd(request, next)
  }

  /** Answers without a socket, and those of drivers in JavaScript, have no end that can be seen: the handler's counts. */
  async #withoutEnd(request: Request, next: Next): Promise<Response> {
    const began = performance.now()
    const log = (status: number, bytesSent: number): void =>
      this.#write(request, { status, bytesSent, duration: performance.now() - began, outcome: 'sent' })
    try {
      const response = await next(request)
      log(response.getStatus(), Number(response.getHeader('content-length') ?? 0))
      return response
    } catch (error) {
      log(error instanceof HttpErrorException ? error.status : 500, 0)
      throw error
    }
  }
}

function entryWriter(log: AccessLog): Write {
  if (typeof log === 'string' && log !== 'combined' && log !== 'json') {
    throw new OptionError('the access log', log, "a logger, 'combined', 'json' or a function")
  }
  const hook = accessLogHook(log)
  const report = (exception: unknown): void => stderrLogger.error('an access log failed', { exception })
  return (request, { status, bytesSent, duration, outcome }) =>
    attempt(() => hook({ request, remoteAddress: request.getRemoteAddress(), status, bytesSent, duration, outcome: outcome ?? 'sent' }), report)
}

function lineWriter(logger: Logger): Write {
  return (request, { status, bytesSent, duration, outcome }) => {
    const context = {
      method: request.getMethod(),
      uri: String(request.getUri()),
      status,
      reason: status === null ? null : reasonPhrase(status),
      protocolVersion: request.getProtocolVersion(),
      remoteAddress: String(request.getRemoteAddress()),
      localAddress: String(request.getClient().getLocalAddress()),
      bytesSent,
      duration,
      outcome,
    }
    const { method, uri, reason, protocolVersion, remoteAddress, localAddress } = context
    const answer = status === null ? 'no answer' : `${status} ${reason}`.trimEnd()
    const line = `${escapeLine(method)} ${escapeLine(uri)} ${answer}, HTTP/${protocolVersion} from ${remoteAddress} to ${localAddress}, ${bytesSent} bytes in ${duration.toFixed(1)} ms, ${outcome}`
    if (status === null || outcome === 'aborted' || outcome === 'timeout' || outcome === 'failed') logger.warning(line, context)
    else if (status >= 400) logger.notice(line, context)
    else logger.info(line, context)
  }
}
