/**
 * Messages: a section of fields on its own, as trailers are.
 */
import { Fields, nameOf } from './fields.ts'
import type { FieldName, FieldValue, FieldsInit } from './fields.ts'

/**
 * Fields with their names as written, looked up in any letter case.
 *
 * @example const message = await request.getTrailers()?.getMessage()
 */
export class Message {
  readonly #fields: Fields

  /**
   * A wrong name or value throws, naming it.
   *
   * @example new Message({ 'x-checksum': '9f86d081' })
   */
  constructor(init: FieldsInit | Fields = {}) {
    if (init instanceof Fields) {
      this.#fields = init
    } else {
      this.#fields = new Fields()
      this.#fields.setAll(init)
    }
  }

  /**
   * The first value of a field; null when it isn't there.
   *
   * @example message.getHeader('x-checksum')
   */
  getHeader(name: FieldName): string | null {
    return this.#fields.get(name.toLowerCase())
  }

  /**
   * All values of a field.
   *
   * @example message.getHeaderArray('x-timing')
   */
  getHeaderArray(name: FieldName): string[] {
    return this.#fields.all(name.toLowerCase())
  }

  /**
   * All values of a field joined by commas; null when it isn't there.
   *
   * @example message.getHeaderLine('server-timing')
   */
  getHeaderLine(name: FieldName): string | null {
    const values = this.getHeaderArray(name)
    return values.length === 0 ? null : values.join(', ')
  }

  /**
   * Whether a field is there.
   *
   * @example message.hasHeader('x-checksum')
   */
  hasHeader(name: FieldName): boolean {
    return this.#fields.has(name.toLowerCase())
  }

  /**
   * All fields by lower-case name, in an object without a prototype.
   *
   * @example message.getHeaders()['x-checksum'] // ['9f86d081']
   */
  getHeaders(): Record<string, string[]> {
    return this.#fields.toRecord()
  }

  /**
   * All fields in order, with names as they were written.
   *
   * @example for (const [name, value] of message.getRawHeaders()) console.log(name, value)
   */
  getRawHeaders(): [string, string][] {
    return this.#fields.toPairs()
  }

  /**
   * Replaces a field; an empty list removes it.
   *
   * @example message.setHeader('x-checksum', digest)
   */
  setHeader(name: FieldName, value: FieldValue): void {
    this.#fields.set(name, value)
  }

  /**
   * Adds a line, or several, to a field.
   *
   * @example message.addHeader('server-timing', 'db;dur=53')
   */
  addHeader(name: FieldName, value: FieldValue): void {
    this.#fields.add(name, value)
  }

  /**
   * Removes a field; nothing happens when it isn't there.
   *
   * @example message.removeHeader('x-checksum')
   */
  removeHeader(name: FieldName): void {
    this.#fields.delete(nameOf(name).lower)
  }

  /**
   * Sets several fields and keeps the others. If one is invalid, nothing changes.
   *
   * @example message.setHeaders({ 'x-a': '1' })
   */
  setHeaders(headers: FieldsInit): void {
    this.#fields.setAll(headers)
  }
}
