/**
 * Attributes: values that handlers and middleware store on a request for each other.
 */

/**
 * A typed key of an attribute.
 *
 * @example const User = new Attribute<{ name: string }>('user'); request.setAttribute(User, user)
 */
export class Attribute<T> {
  /** Its name in error messages. */
  readonly name: string
  /** For the type checker only; never set. */
  declare readonly type: T

  constructor(name: string) {
    this.name = name
  }
}

/** A key: a typed one, a string, a symbol, or a class whose instances are the values. */
export type AttributeKey<T = unknown> = Attribute<T> | string | symbol | (abstract new (...args: never[]) => T)

/** A key as text for messages. */
export function keyName(key: AttributeKey): string {
  return typeof key === 'string' ? key : typeof key === 'symbol' ? String(key) : key.name
}
