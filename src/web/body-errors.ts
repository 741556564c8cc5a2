/**
 * Errors of bodies that are read by a web-standard application.
 *
 * Frameworks catch what a handler throws, and answer with a 500. Hono asks the error for `getResponse()`, and h3 for
 * `status`: with these a body over its limit is a 413 there as well.
 */
import { clientExceptionIn } from '../connection/client-exception.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { reasonPhrase } from '../http/status.ts'

/** The same result; an error that is the client's says how it is answered. */
export async function bodyErrors<Result>(reading: Promise<Result>): Promise<Result> {
  try {
    return await reading
  } catch (error) {
    const status = error instanceof HttpErrorException ? error.status : clientExceptionIn(error)?.status
    if (status !== undefined && error instanceof Error && !('getResponse' in error)) {
      const getResponse = (): globalThis.Response => new Response(reasonPhrase(status), { status })
      Object.defineProperty(error, 'getResponse', { value: getResponse, configurable: true })
    }
    throw error
  }
}
