/**
 * The `vary` field: the request fields on which a response depends. RFC 9110 §12.5.5.
 */
import { elementsOf } from './lists.ts'

/** A message whose `vary` field can be changed. */
interface Varied {
  getHeaderLine(name: string): string | null
  addHeader(name: string, value: string): void
}

/** Adds a name to `vary`, unless it has it or is `*`. */
export function addVary(message: Varied, name: string): void {
  const line = message.getHeaderLine('vary')
  if (line !== null && elementsOf(line).some((each) => each === '*' || each.toLowerCase() === name)) return
  message.addHeader('vary', name)
}
