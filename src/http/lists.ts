/**
 * Lists in the values of fields. RFC 9110 §5.6.1.
 */
import { TOKEN } from './token.ts'

/** The elements of a list, without white space around them; empty ones are left out. */
export function elementsOf(value: string): string[] {
  return value.split(',').map((element) => element.replace(/^[ \t]+|[ \t]+$/g, '')).filter((element) => element !== '')
}

/** Whether a list has an element, in any letter case. */
export function hasElement(value: string, element: string): boolean {
  return elementsOf(value).some((other) => other.toLowerCase() === element)
}

/** A name, or a name and a version. RFC 9110 §7.8. */
function isProtocol(text: string): boolean {
  const slash = text.indexOf('/')
  return slash < 0 ? TOKEN.test(text) : TOKEN.test(text.slice(0, slash)) && TOKEN.test(text.slice(slash + 1))
}

/** The protocols that the `upgrade` fields of a request name; null when they name none. */
export function protocolsOf(values: readonly string[]): readonly string[] | null {
  const protocols = values.flatMap(elementsOf).filter(isProtocol)
  return protocols.length === 0 ? null : protocols
}
