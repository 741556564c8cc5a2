/**
 * Chains of errors: an error, its causes, and the errors that it combines.
 */

/** Errors that a search looks at: a chain may be long, or lead back to itself. */
const MOST = 64

/** The first error of a chain that satisfies a condition: the error itself, its causes, and the members of an `AggregateError`. */
export function findCause<Found>(error: unknown, accepts: (each: unknown) => each is Found): Found | undefined {
  const chain: unknown[] = [error]
  for (let at = 0; at < chain.length && at < MOST; at++) {
    const each = chain[at]
    if (accepts(each)) return each
    if (typeof each !== 'object' || each === null || chain.indexOf(each) < at) continue
    const { cause, errors, suppressed, error: disposal } = each as Readonly<Record<string, unknown>>
    chain.push(cause)
    if (each instanceof AggregateError && Array.isArray(errors)) chain.push(...(errors.slice(0, MOST) as unknown[]))
    // A SuppressedError, which `using` makes of two.
    if (suppressed !== undefined) chain.push(disposal, suppressed)
  }
  return undefined
}
