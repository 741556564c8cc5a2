/**
 * What requests, responses and trailers have in common: a section of header fields. RFC 9110 §6.3.
 */
import { INSPECT, inspectAs, shownFields } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { nameOf } from './fields.ts'
import type { FieldName, FieldValue, Fields, FieldsInit } from './fields.ts'

/** Key of the method that gives a message's fields, so that it isn't among the public names. */
export const FIELDS: unique symbol = Symbol('fields')

/**
 * A message with header fields: a `Request`, a `Response` or the `Message` of trailers. Names are matched in any
 * letter case. Changes to a request are seen by later handlers only.
 *
 * @example const isCompressed = (message: HttpMessage) => message.hasHeader('content-encoding')
 */
export abstract class HttpMessage {
  /** @internal All fields; made when they are first needed, since most messages are asked for few. */
  abstract [FIELDS](): Fields

  /**
   * The first value of a field; null when it is missing.
   *
   * @example request.getHeader('user-agent')
   */
  getHeader(name: FieldName): string | null {
    return this[FIELDS]().get(name.toLowerCase())
  }

  /**
   * All values of a field, one a line.
   *
   * @example request.getHeaderArray('accept')
   */
  getHeaderArray(name: FieldName): string[] {
    return this[FIELDS]().all(name.toLowerCase())
  }

  /**
   * All values of a field joined by commas; null when it is missing.
   *
   * @example response.getHeaderLine('vary') // 'accept, origin'
   */
  getHeaderLine(name: FieldName): string | null {
    const values = this.getHeaderArray(name)
    return values.length === 0 ? null : values.join(', ')
  }

  /**
   * Whether a field is present.
   *
   * @example request.hasHeader('authorization')
   */
  hasHeader(name: FieldName): boolean {
    return this.getHeader(name) !== null
  }

  /**
   * All fields by lower-case name, in an object without a prototype.
   *
   * @example response.getHeaders()['content-type'] // ['text/plain']
   */
  getHeaders(): Record<string, string[]> {
    return this[FIELDS]().toRecord()
  }

  /**
   * All fields in order, with names in their original letter case.
   *
   * @example for (const [name, value] of request.getRawHeaders()) console.log(name, value)
   */
  getRawHeaders(): [string, string][] {
    return this[FIELDS]().toPairs()
  }

  /**
   * Replaces a field; an empty list removes it.
   *
   * @example response.setHeader('cache-control', 'no-store')
   */
  setHeader(name: FieldName, value: FieldValue): void {
    this[FIELDS]().set(name, value)
  }

  /**
   * Adds one or several lines to a field.
   *
   * @example response.addHeader('vary', 'origin')
   */
  addHeader(name: FieldName, value: FieldValue): void {
    this[FIELDS]().add(name, value)
  }

  /**
   * Removes a field; a missing one is ignored.
   *
   * @example response.removeHeader('etag')
   */
  removeHeader(name: FieldName): void {
    this[FIELDS]().delete(nameOf(name).lower)
  }

  /**
   * Sets several fields and keeps the others. If one is invalid, nothing changes.
   *
   * @example response.setHeaders({ etag: '"1"', vary: ['accept', 'origin'] })
   */
  setHeaders(headers: FieldsInit): void {
    this[FIELDS]().setAll(headers)
  }

  /**
   * The same as `setHeaders`.
   *
   * @example response.replaceHeaders({ etag: '"2"' })
   */
  replaceHeaders(headers: FieldsInit): void {
    this.setHeaders(headers)
  }

  /**
   * The message as plain values, for logs. Cookies and credentials are shortened.
   *
   * @example JSON.stringify(request)
   */
  toJSON(): Record<string, unknown> {
    return { headers: shownFields(this.getHeaders()) }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs(this.constructor.name, this.toJSON(), depth, options, inspect)
  }
}
