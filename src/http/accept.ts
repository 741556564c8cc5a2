/**
 * The form of a page that a client prefers. RFC 9110 §12.5.1.
 */

/** The forms in which a page of the server can be sent, the first of equal ones preferred. */
const FORMS = ['html', 'json', 'text'] as const
export type PageForm = (typeof FORMS)[number]

/** Media ranges that accept a form, from the most to the least specific. */
const RANGES: Readonly<Record<PageForm, readonly RegExp[]>> = {
  html: [/^(text\/html|application\/xhtml\+xml)$/, /^text\/\*$/, /^\*\/\*$/],
  json: [/^application\/([\w.-]+\+)?json$/, /^application\/\*$/, /^\*\/\*$/],
  text: [/^text\/plain$/, /^text\/\*$/, /^\*\/\*$/],
}

/**
 * The form that an Accept field asks for: the one with the highest weight, then the one that is named most exactly. A
 * client without the field accepts all; one that accepts none of them gets text.
 */
export function preferredForm(accept: string | null): PageForm {
  if (accept === null || accept.trim() === '') return 'html'
  const ranges = accept.toLowerCase().split(',').map(parseRange)
  let best: { form: PageForm; weight: number; rank: number } = { form: 'text', weight: 0, rank: 0 }
  for (const form of FORMS) {
    // The most specific range that matches decides, whatever its weight.
    const rank = RANGES[form].findIndex((pattern) => ranges.some(({ type }) => pattern.test(type)))
    if (rank < 0) continue
    const matching = ranges.filter(({ type }) => RANGES[form][rank]!.test(type))
    const weight = Math.max(...matching.map((range) => range.weight))
    if (weight > best.weight || (weight > 0 && weight === best.weight && rank < best.rank)) best = { form, weight, rank }
  }
  return best.form
}

function parseRange(text: string): { type: string; weight: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))
  const weight = quality === undefined ? 1 : Number(quality.slice(2))
  return { type, weight: weight >= 0 && weight <= 1 ? weight : 0 }
}
