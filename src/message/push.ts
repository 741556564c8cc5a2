/**
 * Resources that a client will need with a response. They are named in `link` fields, by which browsers begin to load
 * them: HTTP/2's own pushes have been given up by all of them. RFC 8288, HTML §4.6.8.
 */
import { InvalidHeaderException, OptionError } from '../core/errors.ts'
import { Fields, eachField, nameOf } from '../http/fields.ts'
import type { FieldValue, FieldsInit } from '../http/fields.ts'
import { FIELDS, HttpMessage } from '../http/http-message.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { encodeLocation, pathOf } from '../http/target.ts'

/** What browsers load a media type as. Without it they ignore a preload. */
const AS: readonly (readonly [RegExp, string])[] = [
  [/^text\/css/, 'style'],
  [/javascript/, 'script'],
  [/^image\//, 'image'],
  [/^font\//, 'font; crossorigin'],
  [/^(application|text)\/.*(json|vtt)/, 'fetch; crossorigin'],
]

/**
 * A resource that the client will need, and the fields of its request. Made by `response.push`.
 *
 * @example response.getPushes().get('/style.css')?.getUri()
 */
export class Push extends HttpMessage {
  readonly #uri: string
  readonly #fields = new Fields()

  /** A relative URL is relative to that of the request. */
  constructor(uri: string | URL, headers: FieldsInit = {}) {
    super()
    const text = encodeLocation(String(uri))
    if (text === '' || !URL.canParse(text, 'http://localhost/')) throw new OptionError('uri', uri, 'a URL, or a path')
    this.#uri = text
    eachField(headers, (name, value) => {
      const { lower } = nameOf(name)
      if (lower === 'host') throw new InvalidHeaderException('a push has no header host: it is that of its URL')
      this.#fields.add(name, value as FieldValue)
    })
  }

  /**
   * The URL, relative if it was given so.
   *
   * @example push.getUri() // '/style.css'
   */
  getUri(): string {
    return this.#uri
  }

  /** @internal */
  override [FIELDS](): Fields {
    return this.#fields
  }

  override toJSON(): Record<string, unknown> {
    return { uri: this.#uri, ...super.toJSON() }
  }
}

/** The `link` field that names a push, as it is sent. */
export function linkOf(push: Push): string {
  const uri = push.getUri()
  const type = mediaTypeOf(pathOf(uri.startsWith('/') || uri.includes('://') ? uri : `/${uri}`))
  const [, as] = AS.find(([pattern]) => pattern.test(type)) ?? []
  return `<${uri}>; rel=preload${as === undefined ? '' : `; as=${as}`}`
}
