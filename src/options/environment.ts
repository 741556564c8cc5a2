/**
 * The environment variables by which an operator overrides options, without a change of the code.
 */
import { OptionError } from '../core/errors.ts'

/** Overrides `http1Timeout` and `localHttp1Timeout`, to match the idle time of a load balancer. */
export const KEEP_ALIVE_TIMEOUT = 'BUSBAR_KEEP_ALIVE_TIMEOUT'

/** Is the default of `ioThreads`, to match the machine. */
export const IO_THREADS = 'BUSBAR_IO_THREADS'

/** The value of a variable, as a number or `'auto'`; null when it is unset or empty. Throws when it isn't accepted. */
export function fromEnvironment<Value>(
  variable: typeof KEEP_ALIVE_TIMEOUT | typeof IO_THREADS,
  accepts: (value: unknown) => value is Value,
  allowed: string,
): Value | null {
  const given = process.env[variable]
  if (given === undefined || given === '') return null
  const value: unknown = given === 'auto' ? given : Number(given)
  if (!accepts(value)) throw new OptionError(`${variable} in the environment`, given, allowed)
  return value
}
