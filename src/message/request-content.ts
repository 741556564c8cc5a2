/**
 * The body of a request as a whole: bytes, text, JSON, or a form.
 */
import { formDataOf, partsOf } from '../body/form.ts'
import type { FormLimits, FormPart } from '../body/form.ts'
import type { RequestBody } from '../body/request-body.ts'
import { handled } from '../core/outcome.ts'
import { RequestHead } from './request-head.ts'

/** What is read from the body of a request. Like `RequestHead` it has no `#` members. */
export abstract class RequestContent extends RequestHead {
  abstract getBody(): RequestBody

  /**
   * The whole body as bytes; at most 128 KiB unless `bodySizeLimit` is changed.
   *
   * @example const bytes = await request.buffer()
   */
  buffer(): Promise<Uint8Array> {
    return this.getBody().buffer()
  }

  /**
   * The whole body as text.
   *
   * @example const text = await request.text()
   */
  text(): Promise<string> {
    return this.getBody().text()
  }

  /**
   * The whole body as JSON.
   *
   * @example const order = await request.json<Order>()
   */
  json<T = unknown>(): Promise<T> {
    return this.getBody().json<T>()
  }

  /**
   * The whole body as a form, `multipart/form-data` or `application/x-www-form-urlencoded`. Rejects with an
   * `HttpErrorException` of 413 when the form is larger than a limit, of 400 when it can't be parsed, and of 415 when
   * the body is no form. Files are kept in memory: for large ones use `parts`.
   *
   * @example const title = (await request.formData()).get('title')
   */
  formData(limits?: FormLimits): Promise<FormData> {
    return handled(formDataOf(this.getBody(), this.getHeader('content-type'), limits))
  }

  /**
   * The fields and files of such a form, in the order in which they arrive, while they arrive.
   *
   * @example for await (const part of request.parts({ files: 1 })) if (part.isFile()) await writeFile(target, part)
   */
  parts(limits?: FormLimits): AsyncGenerator<FormPart, void, undefined> {
    const parts = partsOf(this.getBody(), this.getHeader('content-type'), limits)
    const next = parts.next.bind(parts)
    // The client may leave while a part isn't awaited any more.
    parts.next = () => handled(next())
    return parts
  }
}
