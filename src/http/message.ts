/**
 * Messages that consist of fields alone, as trailers do.
 */
import { Fields } from './fields.ts'
import type { FieldsInit } from './fields.ts'
import { FIELDS, HttpMessage } from './http-message.ts'

/**
 * The fields of trailers.
 *
 * @example const message = await request.getTrailers()?.getMessage()
 */
export class Message extends HttpMessage {
  readonly #fields: Fields

  /**
   * An invalid name or value throws an `InvalidHeaderException` that names it.
   *
   * @example new Message({ 'x-checksum': '9f86d081' })
   */
  constructor(init: FieldsInit | Fields = {}) {
    super()
    if (init instanceof Fields) {
      this.#fields = init
    } else {
      this.#fields = new Fields()
      this.#fields.setAll(init)
    }
  }

  /** @internal */
  [FIELDS](): Fields {
    return this.#fields
  }
}
