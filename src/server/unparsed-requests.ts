/**
 * Pages for what was no request: the application's error handler makes them. The engine waits for one second, and sends
 * a short text in the place of a page that hasn't come.
 */
import { answerWithFile } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import { collected, isStreamed, sourceOf } from '../body/source.ts'
import type { Streamed } from '../body/source.ts'
import { ClientException } from '../connection/client-exception.ts'
import { AsyncResource } from '../core/builtin.ts'
import { HandlerError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { giveErrorPage } from '../handler/error-page.ts'
import { discardResponse, extrasOf, sendResponse } from '../message/response.ts'
import type { Response } from '../message/response.ts'
import { addressAnswer } from '../native.ts'
import type { HotFunctions } from '../native.ts'

/** What the pages need of their server. */
interface PageOwner {
  readonly hot: HotFunctions
  readonly logger: Logger
}

/** What was no request, as its page is answered: without conditions, and the engine drops the content of a HEAD. */
const UNKNOWN = { method: () => 'GET', getMethod: () => 'GET', getHeader: () => null, getHeaderLine: () => null }

const UNTRACKED = { requireManualDestroy: true }

/** The pages of one server. */
export class UnparsedRequests {
  readonly #owner: PageOwner
  readonly #errorHandler: ErrorHandler
  /** The words of a response, which the engine reads. */
  readonly #words: Uint32Array

  constructor(owner: PageOwner, errorHandler: ErrorHandler, words: Uint32Array) {
    this.#owner = owner
    this.#errorHandler = errorHandler
    this.#words = words
  }

  /** Has the page made and sent for what the engine has refused with this status. */
  answer(slot: number, requestId: number, status: number, why: string): void {
    const resource = new AsyncResource('busbar.Request', UNTRACKED)
    resource.runInAsyncScope(() => {
      giveErrorPage({
        errorHandler: this.#errorHandler,
        request: null,
        status,
        error: new ClientException(null, why, status),
        send: (page) => this.#send(slot, requestId, page),
        onFailure: (exception) => this.#log('the error handler failed', exception),
      })
    })
    resource.emitDestroy()
  }

  /** Sends a page. Its content is gathered: it is short, or comes too late. */
  #send(slot: number, requestId: number, page: Response): void {
    if (page.isUpgraded()) throw new HandlerError('an error page is no upgrade')
    const body = page.getBody()
    if (!isStreamed(body)) return this.#sendWhole(slot, requestId, page)
    void this.#gather(page, body).then(
      (content) => {
        page.removeHeader('content-length')
        page.setBody(content)
        this.#sendWhole(slot, requestId, page)
      },
      (exception) => {
        this.#discard(page)
        this.#log('an error page failed', exception)
      },
    )
  }

  async #gather(page: Response, body: Streamed): Promise<Uint8Array> {
    const run = <Result>(call: () => Result): Result => extrasOf(page)?.inBodyContext(call) ?? call()
    if (body instanceof FileBody) {
      const status = page.getStatus()
      await answerWithFile(UNKNOWN, page, body)
      page.setStatus(status, page.getReason())
    }
    return run(() => collected(sourceOf(body)))
  }

  #sendWhole(slot: number, requestId: number, page: Response): void {
    addressAnswer(this.#words, slot, requestId)
    sendResponse(page, this.#words, this.#owner.hot, UNKNOWN, false)
    extrasOf(page)?.dispose((exception) => this.#log('a dispose hook of a response failed', exception))
  }

  #discard(page: Response): void {
    discardResponse(page, (exception) => this.#log('a response that was not sent could not be disposed of', exception))
  }

  #log(message: string, exception: unknown): void {
    this.#owner.logger.error(`${message}: a request that could not be parsed`, { exception })
  }
}
