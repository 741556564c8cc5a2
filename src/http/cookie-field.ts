/**
 * The `cookie` field of a request, pair by pair. RFC 6265 §4.2, §5.4.
 *
 * User agents send nearly anything: JSON, names in brackets, flags without a value. So each pair is parsed by itself,
 * and one that can't be parsed doesn't affect the others. A change rewrites the pairs of one name; all others keep
 * their bytes.
 *
 *   line  = pair *( ";" pair )
 *   pair  = OWS name OWS "=" OWS value OWS       with a name that isn't empty
 *
 * Out of scope: the stricter rules for cookies that are sent (cookie).
 */

/** Name and value. */
export type Pair = readonly [name: string, value: string]

/** Parses the text between two semicolons; null when it isn't a pair. */
export function readPair(text: string): Pair | null {
  const equals = text.indexOf('=')
  const name = text.slice(0, Math.max(equals, 0)).trim()
  return name === '' ? null : [name, unquoted(text.slice(equals + 1).trim())]
}

/** The name of the cookie in a `set-cookie` line, even if its attributes are invalid; null when there is none. */
export function cookieName(line: string): string | null {
  return readPair(line.slice(0, line.includes(';') ? line.indexOf(';') : undefined))?.[0] ?? null
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** All pairs of one line, in order. */
export function readPairs(line: string): Pair[] {
  return line.split(';').map(readPair).filter((pair) => pair !== null)
}

/**
 * The value of a cookie in the lines of a field; null when it isn't there. Of equal names the first counts:
 * user agents send the cookie with the longer path first (RFC 6265 §5.4).
 */
export function findValue(lines: readonly string[], name: string): string | null {
  for (const line of lines) {
    for (const text of line.split(';')) {
      const pair = readPair(text)
      if (pair !== null && pair[0] === name) return pair[1]
    }
  }
  return null
}

/** The lines without the pairs of that name. A line that becomes empty is dropped. */
export function withoutPairs(lines: readonly string[], name: string): string[] {
  return edited(lines, name, null)
}

/** The lines with a pair in place of the first of its name, or at the end. Further pairs of the name are removed. */
export function withPair(lines: readonly string[], name: string, pair: string): string[] {
  if (findValue(lines, name) !== null) return edited(lines, name, pair)
  const last = lines.at(-1)
  return last === undefined || last.trim() === '' ? [...lines.slice(0, -1), pair] : [...lines.slice(0, -1), `${last}; ${pair}`]
}

function edited(lines: readonly string[], name: string, replacement: string | null): string[] {
  let isPlaced = replacement === null
  const result: string[] = []
  for (const line of lines) {
    const kept: string[] = []
    for (const text of line.split(';')) {
      if (readPair(text)?.[0] !== name) kept.push(text)
      else if (!isPlaced) {
        isPlaced = true
        kept.push(` ${replacement}`)
      }
    }
    // A field value doesn't begin or end with blanks.
    const text = kept.join(';').trim()
    if (text !== '') result.push(text)
  }
  return result
}
