/**
 * Query parameters: what they may be, and a query with some of them changed.
 */
import { OptionError } from '../core/errors.ts'

/** Value of a query parameter, or several of them. */
export type QueryValue = string | number | readonly (string | number)[]

/** The parameters of a query, of which one has a new value, or several; with none it is gone. */
export function withParameter(query: string, name: string, value: QueryValue): URLSearchParams {
  const parameters = new URLSearchParams(query)
  parameters.delete(name)
  return append(parameters, name, value)
}

/** The parameters of a query, and one value more, or several. */
export function withParameterAdded(query: string, name: string, value: QueryValue): URLSearchParams {
  return append(new URLSearchParams(query), name, value)
}

/** The parameters of a query that is made anew. */
export function queryFrom(init: Readonly<Record<string, QueryValue>> | URLSearchParams): URLSearchParams {
  if (init instanceof URLSearchParams) return init
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(init)) append(parameters, name, value)
  return parameters
}

function append(parameters: URLSearchParams, name: string, value: QueryValue): URLSearchParams {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  for (const each of values) {
    if (typeof each !== 'string' && typeof each !== 'number') {
      throw new OptionError(`query parameter ${name}`, each, 'a string or a number')
    }
    parameters.append(name, String(each))
  }
  return parameters
}
