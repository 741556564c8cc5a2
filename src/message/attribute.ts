/**
 * Attributes: what handlers and middleware note on a request for one another.
 */

/**
 * A typed key of an attribute.
 *
 * @example const User = new Attribute<{ name: string }>('user'); request.setAttribute(User, user)
 */
export class Attribute<T> {
  /** What messages call it. */
  readonly name: string
  /** Carries the type; never set. */
  declare readonly type: T

  constructor(name: string) {
    this.name = name
  }
}

/** Anything that can be a key: a typed one, a string, a symbol, or a class whose instances are the values. */
export type AttributeKey<T = unknown> = Attribute<T> | string | symbol | (abstract new (...args: never[]) => T)

/** A key as messages show it. */
export function keyName(key: AttributeKey): string {
  return typeof key === 'string' ? key : typeof key === 'symbol' ? String(key) : key.name
}
