/**
 * What the options of a server of Node's mean for the engine.
 */
import { maxHeaderSize } from 'node:http'
import { engineLimits } from '../options/engine-limits.ts'
import { Options } from '../options/options.ts'
import type { EngineLimits } from '../native.ts'

/** The properties of a server of Node's that are limits; times in milliseconds. */
export interface NodeLimits {
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly keepAliveTimeout: number
  readonly maxHeadersCount: number | null
  readonly maxConnections?: number | undefined
  readonly maxHeaderSize?: number | undefined
  readonly httpAllowHalfOpen?: boolean
  readonly requireHostHeader?: boolean
}

/** Fields of a header section, unless `maxHeadersCount` says another number, or 0 for no limit. */
const FIELDS = 2000
/** Seconds for which a client may take nothing of a response. */
const WRITE_TIMEOUT = 60

/** A time as the engine takes it, in seconds; 0 milliseconds is none. */
function seconds(millis: number): number {
  return millis > 0 ? millis / 1000 : Infinity
}

function fieldsOf(most: number | null): number {
  if (most === 0) return Infinity
  return most !== null && most > 0 ? most : FIELDS
}

/** For so many milliseconds a connection may be without a request. */
export function idleLimits(millis: number): Pick<EngineLimits, 'http1Timeout' | 'localHttp1Timeout'> {
  return { http1Timeout: seconds(millis), localHttp1Timeout: seconds(millis) }
}

/** What options that aren't properties of the server mean for the engine. */
export function limitsOfOptions({ http2, handshakeTimeout, settings }: Readonly<Record<string, unknown>>): Partial<EngineLimits> {
  const { maxConcurrentStreams } = (settings ?? {}) as { maxConcurrentStreams?: number }
  return {
    http2Cleartext: http2 === true,
    ...(typeof handshakeTimeout === 'number' && handshakeTimeout > 0 ? { tlsSetupTimeout: handshakeTimeout / 1000 } : {}),
    ...(maxConcurrentStreams === undefined ? {} : { concurrentStreamLimit: maxConcurrentStreams }),
  }
}

/**
 * The limits of the engine. Those that Node hasn't are lifted, but for the ones that protect the process: connections,
 * pipelining, and clients that don't read. `hasKeepAliveTimeout` says that the application has set that time.
 */
export function limitsOf(node: NodeLimits, hasKeepAliveTimeout: boolean): EngineLimits {
  const limits = engineLimits(Options.from({ writeTimeout: WRITE_TIMEOUT, minimumBodyRate: 0 }))
  return {
    ...limits,
    ...(hasKeepAliveTimeout ? idleLimits(node.keepAliveTimeout) : {}),
    headerTimeout: Math.min(seconds(node.headersTimeout), seconds(node.requestTimeout)),
    requestTimeout: node.requestTimeout > 0 ? node.requestTimeout / 1000 : 0,
    bodyTimeout: Infinity,
    bodySizeLimit: Infinity,
    headerFieldLimit: fieldsOf(node.maxHeadersCount),
    headerSizeLimit: node.maxHeaderSize ?? maxHeaderSize,
    requestLineLimit: node.maxHeaderSize ?? maxHeaderSize,
    nodeStyle: true,
    allowMissingHost: node.requireHostHeader === false,
    allowHalfClose: node.httpAllowHalfOpen === true,
    // That of Node is kept where connections are announced, and may be raised.
    connectionLimit: Math.max(node.maxConnections ?? 0, limits.connectionLimit),
  }
}
