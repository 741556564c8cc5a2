/**
 * The codings that a client accepts. RFC 9110 §12.5.3.
 */

/** `gzip`, `br;q=0.5`, `*;q=0`. RFC 9110 §12.4.2. */
const ELEMENT = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i

/**
 * The available codings that a client accepts, best first; null stands for no coding. Codings of equal quality are
 * in the order of `available`, and before null unless `identity` has a higher quality. Null is always the last, even
 * when the client refuses it: an uncoded response is better than an error.
 */
export function preferredEncodings<Encoding extends string>(
  field: string | null,
  available: readonly Encoding[],
): (Encoding | null)[] {
  if (field === null) return [null]
  const qualities = new Map<string, number>()
  for (const element of field.split(',')) {
    const match = ELEMENT.exec(element.trim())
    if (match !== null) qualities.set(nameOf(match[1]!), match[2] === undefined ? 1 : Number(match[2]))
  }
  const others = qualities.get('*') ?? 0
  const identity = qualities.get('identity') ?? 0
  const accepted = available
    .map((encoding) => ({ encoding, quality: qualities.get(encoding) ?? others }))
    .filter(({ quality }) => quality > 0 && quality >= identity)
    .sort((a, b) => b.quality - a.quality)
  return [...accepted.map(({ encoding }) => encoding), null]
}

function nameOf(name: string): string {
  const lower = name.toLowerCase()
  return lower === 'x-gzip' ? 'gzip' : lower
}
