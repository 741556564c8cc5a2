/**
 * Log lines about requests that have failed.
 */
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import type { Request } from '../message/request.ts'
import type { Options } from '../options/options.ts'

/** What such lines need of a server. */
interface FailureLog {
  readonly logger: Logger
  readonly options: Options
}

/** Logs an error about one request, with the request itself where `requestLogContext` asks for it. */
export function logFailure({ logger, options }: FailureLog, message: string, request: Request, exception: unknown): void {
  const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
  const context = options.get('requestLogContext') ? { exception, request } : { exception }
  logger.error(`${message}: ${target}`, context)
}

/** Warns that the time of a handler is over. */
export function logExpiry({ logger, options }: FailureLog, request: Request): void {
  const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
  const code = 'BUSBAR_HANDLER_TIMEOUT'
  logger.warning(`a handler has not answered within ${options.get('handlerTimeout')} s (handlerTimeout): ${target}`, { code })
}

/** Logs an error of a handler whose time was over, unless it says only that the client has left. */
export function logLateFailure(owner: FailureLog, request: Request, error: unknown, isClientGone: () => boolean): void {
  try {
    if (isClientGone()) return
  } catch {
    // Looking at the thrown value has thrown: it is an error of the handler.
  }
  logFailure(owner, 'a handler failed after its time limit', request, error)
}
