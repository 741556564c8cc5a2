/**
 * Refused requests and connections: how many there were, and the log lines about them.
 */
import type { OptionName } from '../options/option-table.ts'
import type { Options } from '../options/options.ts'

/** The code of a refusal that is made here; the engine has further ones. */
export type RefusalCode =
  | 'BUSBAR_BODY_TOO_LARGE'
  | 'BUSBAR_EXPECTATION'
  | 'BUSBAR_HANDLER_TIMEOUT'
  | 'BUSBAR_METHOD_NOT_ALLOWED'

/** The options that refuse, by the code of the refusal. */
const OPTIONS: Readonly<Record<string, OptionName>> = {
  BUSBAR_BODY_TIMEOUT: 'bodyTimeout',
  BUSBAR_BODY_TOO_LARGE: 'bodySizeLimit',
  BUSBAR_BODY_TOO_SLOW: 'minimumBodyRate',
  BUSBAR_CONNECTION_LIMIT: 'connectionLimit',
  BUSBAR_CONNECTIONS_PER_IP_LIMIT: 'connectionsPerIpLimit',
  BUSBAR_EXTENSIONS_TOO_LARGE: 'chunkExtensionLimit',
  BUSBAR_HANDLER_TIMEOUT: 'handlerTimeout',
  BUSBAR_HEADERS_TOO_LARGE: 'headerSizeLimit',
  BUSBAR_HEAD_TIMEOUT: 'headerTimeout',
  BUSBAR_HTTP2_PREFACE: 'http2Cleartext',
  BUSBAR_METHOD_NOT_ALLOWED: 'allowedMethods',
  BUSBAR_REQUEST_LINE_TOO_LONG: 'requestLineLimit',
  BUSBAR_REQUEST_TIMEOUT: 'requestTimeout',
  BUSBAR_TOO_MANY_FIELDS: 'headerFieldLimit',
  BUSBAR_TRAILERS_TOO_LARGE: 'headerSizeLimit',
}

/** The option that has caused a refusal, with its value: `; the option bodySizeLimit is 131072`. Empty for a rule. */
export function causeOf(code: string, options: Options): string {
  const name = Object.hasOwn(OPTIONS, code) ? OPTIONS[code] : undefined
  return name === undefined ? '' : `; the option ${name} is ${String(options.get(name))}`
}

/** The engine's line about a refusal, which ends with its code in brackets, and the option that has caused it. */
export function explained(line: string, options: Options): string {
  return line + causeOf(/\((BUSBAR_\w+)\)$/.exec(line)?.[1] ?? '', options)
}

/** The sums of two counts. */
export function addCounts(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): Record<string, number> {
  const total = { ...one }
  for (const [code, count] of Object.entries(other)) total[code] = (total[code] ?? 0) + count
  return total
}

/** The limit that has refused connections: `connectionsPerIpLimit`. */
const PER_IP = 1

/** The code of a limit that has refused connections. */
export function rejectionCode(limit: number): string {
  return limit === PER_IP ? 'BUSBAR_CONNECTIONS_PER_IP_LIMIT' : 'BUSBAR_CONNECTION_LIMIT'
}

/** One line for `count` connections; `address` is the peer of the last one, empty for a unix socket. */
export function rejectionMessage(limit: number, count: number, address: string, options: Options): string {
  const connections = count === 1 ? '1 connection was refused' : `${count} connections were refused`
  if (limit === PER_IP) {
    const most = options.get('connectionsPerIpLimit')
    return `${connections}: ${address} has ${most} already (connectionsPerIpLimit). If it is a proxy, name it in the option proxies`
  }
  return `${connections}: ${options.get('connectionLimit')} are open and none of them is idle (connectionLimit)`
}
