/**
 * Trailers: fields behind a body. RFC 9110 §6.5.
 */
import { InvalidHeaderException } from '../core/errors.ts'
import { Handover } from '../core/handover.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { nameOf } from './fields.ts'
import type { FieldsInit } from './fields.ts'
import { Message } from './message.ts'

/** Fields that must be known before the body. RFC 9110 §6.5.1. */
const DISALLOWED: ReadonlySet<string> = new Set([
  'authorization', 'connection', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie', 'expect',
  'host', 'keep-alive', 'pragma', 'proxy-authenticate', 'proxy-authorization', 'range', 'te', 'trailer',
  'transfer-encoding', 'upgrade', 'www-authenticate',
])

/** Values of trailers: fields, a promise of fields, or a function that is called after the body. */
export type TrailersInit = FieldsInit | Message | Promise<FieldsInit | Message> | (() => FieldsInit | Message | Promise<FieldsInit | Message>)

/**
 * Fields that follow a body, in a request or a response.
 *
 * @example new Response(200, {}, body, new Trailers(() => ({ 'x-checksum': hash.digest('hex') }), ['x-checksum']))
 */
export class Trailers {
  readonly #init: TrailersInit
  readonly #fields: readonly string[]
  /** A function runs in the context in which the trailers are made. */
  readonly #context: Handover | null
  #message: Promise<Message> | null = null

  /**
   * `fields` are the names that are announced before the body. A name that isn't allowed as a trailer throws an
   * `InvalidHeaderException`.
   *
   * @example new Trailers(checksum.then((hex) => ({ 'x-checksum': hex })), ['x-checksum'])
   */
  constructor(init: TrailersInit, fields: readonly string[] = []) {
    this.#init = init
    this.#fields = fields.map(allowed)
    this.#context = typeof init === 'function' ? new Handover() : null
    // Trailers that are never read may fail without an effect; getMessage reports the failure.
    if (init instanceof Promise) init.catch(() => {})
  }

  /**
   * The announced names, in lower case.
   *
   * @example trailers.getFields() // ['x-checksum']
   */
  getFields(): string[] {
    return [...this.#fields]
  }

  /**
   * The fields, after the end of the body. Rejects with an `InvalidHeaderException` when a field isn't allowed as a
   * trailer or an announced one is missing, and with the error of the body when that fails.
   *
   * @example (await trailers.getMessage()).getHeader('x-checksum')
   */
  getMessage(): Promise<Message> {
    if (this.#message === null) {
      this.#message = this.#make()
      this.#message.catch(() => {})
    }
    return this.#message
  }

  /**
   * The same as `getMessage`.
   *
   * @example const message = await trailers.await()
   */
  await(): Promise<Message> {
    return this.getMessage()
  }

  /**
   * The announced names, for logs.
   *
   * @example JSON.stringify(response.getTrailers())
   */
  toJSON(): Record<string, unknown> {
    return { fields: this.getFields() }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('Trailers', this.toJSON(), depth, options, inspect)
  }

  async #make(): Promise<Message> {
    const init = this.#init
    const values = await (typeof init === 'function' ? (this.#context?.run(init) ?? init()) : init)
    this.#context?.release()
    const message = values instanceof Message ? values : new Message(values)
    for (const [name] of message.getRawHeaders()) allowed(name)
    const missing = this.#fields.find((name) => !message.hasHeader(name))
    if (missing !== undefined) throw new InvalidHeaderException(`trailer ${missing} was announced and is missing`)
    return message
  }
}

/** Whether a field is allowed as a trailer. */
export function isTrailer(lower: string): boolean {
  return !DISALLOWED.has(lower)
}

function allowed(name: string): string {
  const { lower } = nameOf(name)
  if (!isTrailer(lower)) throw new InvalidHeaderException(`${lower} can't be a trailer: it must be known before the body`)
  return lower
}

/** The fields in the form in which they are sent, `name: value\r\n…`. */
export async function trailerLines(trailers: Trailers): Promise<string> {
  const message = await trailers.getMessage()
  return message.getRawHeaders().map(([name, value]) => `${name}: ${value}\r\n`).join('')
}
