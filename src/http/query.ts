/**
 * Query parameters: the values that are allowed, and changes to a query.
 */
import { OptionError } from '../core/errors.ts'

/** Value of a query parameter, or a list of values. */
export type QueryValue = string | number | readonly (string | number)[]

/** The parameters of a query with the values of one replaced; an empty list removes it. */
export function withParameter(query: string, name: string, value: QueryValue): URLSearchParams {
  const parameters = new URLSearchParams(query)
  parameters.delete(name)
  return append(parameters, name, value)
}

/** The parameters of a query with one or several values added. */
export function withParameterAdded(query: string, name: string, value: QueryValue): URLSearchParams {
  return append(new URLSearchParams(query), name, value)
}

/** The parameters of a new query. */
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
