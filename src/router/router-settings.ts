/**
 * The settings of a router.
 */
import { OptionError } from '../core/errors.ts'

/** Settings of a router. */
export interface RouterSettings {
  /**
   * A path that differs from a pattern only by a slash at its end: `'strict'`, the default, has no route; `'ignore'` has
   * the same route; `'redirect'` is redirected to the form that has a route, by a 308.
   */
  readonly trailingSlash?: 'strict' | 'ignore' | 'redirect'
  /** Whether `/A` and `/a` are different paths. Default: true. */
  readonly caseSensitive?: boolean
}

const RULES = ['strict', 'ignore', 'redirect'] as const

/** Checked settings, with their defaults. */
export function checkRouterSettings(settings: RouterSettings): Required<RouterSettings> {
  if (typeof settings !== 'object' || settings === null) throw new OptionError('settings', settings, 'an object such as { trailingSlash }')
  const { trailingSlash = 'strict', caseSensitive = true, ...unknown } = settings
  for (const name of Object.keys(unknown)) throw new OptionError('the router', name, 'trailingSlash or caseSensitive')
  if (!RULES.includes(trailingSlash)) throw new OptionError('trailingSlash', trailingSlash, RULES.join(', '))
  if (typeof caseSensitive !== 'boolean') throw new OptionError('caseSensitive', caseSensitive, 'true or false')
  return { trailingSlash, caseSensitive }
}
