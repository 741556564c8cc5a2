/**
 * Bounds how many handlers run at the same time.
 */
import { OptionError } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { Middleware, Next } from './middleware.ts'

/** Begins a request that waits. */
type Begin = () => void

/**
 * At most `limit` requests are behind this middleware at the same time; the others wait, in order of arrival. A place is
 * free when the next handler has returned a response or has failed, not when the response is sent. The queue has no
 * limit of its own: the options `requestLimit` and `handlerTimeout` bound it. A client that leaves gives its place up.
 *
 * @example stack(render, new ConcurrencyLimitingMiddleware(8))
 */
export class ConcurrencyLimitingMiddleware implements Middleware {
  readonly #limit: number
  #running = 0
  /** Requests that wait, in order of arrival. */
  readonly #waiting = new Set<Begin>()

  constructor(limit: number) {
    if (limit !== Infinity && (!Number.isSafeInteger(limit) || limit < 1)) {
      throw new OptionError('limit', limit, 'an integer of at least 1, or Infinity')
    }
    this.#limit = limit
  }

  /**
   * How many requests run and wait.
   *
   * @example limiting.getCounts().waiting
   */
  getCounts(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiting.size }
  }

  /**
   * Passes a request on when there is a place for it.
   *
   * @example limiting.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    // A request that waits has been given its place already when it begins.
    if (this.#running >= this.#limit) return this.#wait(request).then(() => this.#run(request, next))
    this.#running++
    return this.#run(request, next)
  }

  #run(request: Request, next: Next): Response | Promise<Response> {
    let result: Response | Promise<Response>
    try {
      result = next(request)
    } catch (error) {
      this.#release()
      throw error
    }
    if (!(result instanceof Promise)) {
      this.#release()
      return result
    }
    return result.finally(() => this.#release())
  }

  #wait(request: Request): Promise<void> {
    const signal = request.getSignal()
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.delete(begin)
        reject(signal.reason)
      }
      this.#waiting.add(begin)
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** The place goes to the request that has waited longest. */
  #release(): void {
    const [begin] = this.#waiting
    if (begin === undefined) {
      this.#running--
      return
    }
    this.#waiting.delete(begin)
    begin()
  }
}
