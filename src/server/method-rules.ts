/**
 * What is done with a request by its method.
 */

/** The method isn't allowed: the request is refused. */
export const REFUSE = 0
/** The handler is called. */
export const CALL = 1
/** OPTIONS: the handler is called unless the target is `*`. */
export const LOOK = 2
/** The request is logged, and the handler called. */
export const LOG = 3

/** REFUSE, CALL, LOOK or LOG by method number. */
export function methodRules(methods: readonly string[], allowed: readonly string[], logsRequests: boolean): Uint8Array {
  const call = logsRequests ? LOG : CALL
  const rules = Uint8Array.from(methods, (method) => (allowed.includes(method) ? call : REFUSE))
  if (allowed.includes('OPTIONS')) rules[methods.indexOf('OPTIONS')] = LOOK
  return rules
}
