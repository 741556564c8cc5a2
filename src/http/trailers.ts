/**
 * Trailers: fields behind a body. RFC 9110 §6.5.
 */
import { InvalidHeaderException } from '../core/errors.ts'
import { nameOf } from './fields.ts'
import type { FieldsInit } from './fields.ts'
import { Message } from './message.ts'

/** Fields that mean something before the body, or not at all. RFC 9110 §6.5.1. */
const DISALLOWED: ReadonlySet<string> = new Set([
  'authorization', 'connection', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie', 'expect',
  'host', 'keep-alive', 'pragma', 'proxy-authenticate', 'proxy-authorization', 'range', 'te', 'trailer',
  'transfer-encoding', 'upgrade', 'www-authenticate',
])

/** Values of trailers: what is known already, a promise, or a function that is called behind the body. */
export type TrailersInit = FieldsInit | Message | Promise<FieldsInit | Message> | (() => FieldsInit | Message | Promise<FieldsInit | Message>)

/**
 * Fields that follow a body, in a request or a response.
 *
 * @example new Response(200, {}, body, new Trailers(() => ({ 'x-checksum': hash.digest('hex') }), ['x-checksum']))
 */
export class Trailers {
  readonly #init: TrailersInit
  readonly #fields: readonly string[]
  #message: Promise<Message> | null = null

  /**
   * `fields` are the names that are announced ahead of the body; one that mustn't be a trailer throws an
   * `InvalidHeaderException`.
   *
   * @example new Trailers(checksum.then((hex) => ({ 'x-checksum': hex })), ['x-checksum'])
   */
  constructor(init: TrailersInit, fields: readonly string[] = []) {
    this.#init = init
    this.#fields = fields.map(allowed)
    // Nobody has to wait for them: a failure is told to who does.
    if (init instanceof Promise) init.catch(() => {})
  }

  /**
   * Names that were announced, in lower case.
   *
   * @example trailers.getFields() // ['x-checksum']
   */
  getFields(): string[] {
    return [...this.#fields]
  }

  /**
   * The fields, once the body has come or gone. Rejects with an `InvalidHeaderException` when one mustn't
   * be a trailer or an announced one is missing, and with what made the body fail.
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

  async #make(): Promise<Message> {
    const values = await (typeof this.#init === 'function' ? this.#init() : this.#init)
    const message = values instanceof Message ? values : new Message(values)
    for (const [name] of message.getRawHeaders()) allowed(name)
    const missing = this.#fields.find((name) => !message.hasHeader(name))
    if (missing !== undefined) throw new InvalidHeaderException(`trailer ${missing} was announced and is missing`)
    return message
  }
}

/** Whether a field may stand behind a body. */
export function isTrailer(lower: string): boolean {
  return !DISALLOWED.has(lower)
}

function allowed(name: string): string {
  const { lower } = nameOf(name)
  if (!isTrailer(lower)) throw new InvalidHeaderException(`${lower} can't be a trailer: it counts only ahead of the body`)
  return lower
}

/** `name: value\r\n…` as they are sent. */
export async function trailerLines(trailers: Trailers): Promise<string> {
  const message = await trailers.getMessage()
  return message.getRawHeaders().map(([name, value]) => `${name}: ${value}\r\n`).join('')
}
