/**
 * The options that the engine enforces. It is given all of them, so that its own defaults serve its tests alone.
 */
import type { EngineLimits } from '../native.ts'
import { KEEP_ALIVE_TIMEOUT, fromEnvironment } from './environment.ts'
import { allowedValues, isAllowed } from './option-table.ts'
import type { Options } from './options.ts'

/** Every limit has a value. */
type Complete<Limits> = { [Name in keyof Limits]-?: NonNullable<Limits[Name]> }

/** Limits as the engine takes them. Throws when the environment overrides one with a value that isn't allowed. */
export function engineLimits(options: Options): Complete<EngineLimits> {
  const isTimeout = (value: unknown): value is number => isAllowed('http1Timeout', value)
  const override = fromEnvironment(KEEP_ALIVE_TIMEOUT, isTimeout, allowedValues('http1Timeout'))
  return {
    http1Timeout: override ?? options.get('http1Timeout'),
    localHttp1Timeout: override ?? options.get('localHttp1Timeout'),
    proxyHeaderTimeout: options.get('proxyHeaderTimeout'),
    headerTimeout: options.get('headerTimeout'),
    bodyTimeout: options.get('bodyTimeout'),
    minimumBodyRate: options.get('minimumBodyRate'),
    requestTimeout: options.get('requestTimeout'),
    writeTimeout: options.get('writeTimeout'),
    allowHalfClose: options.get('allowHalfClose'),
    bodySizeLimit: options.get('bodySizeLimit'),
    headerSizeLimit: options.get('headerSizeLimit'),
    headerFieldLimit: options.get('headerFieldLimit'),
    requestLineLimit: options.get('requestLineLimit'),
    chunkExtensionLimit: options.get('chunkExtensionLimit'),
    pipelineLimit: options.get('pipelineLimit'),
    http2Timeout: options.get('http2Timeout'),
    localHttp2Timeout: options.get('localHttp2Timeout'),
    http2PingInterval: options.get('http2PingInterval'),
    origins: [...options.get('origins')],
    concurrentStreamLimit: options.get('concurrentStreamLimit'),
    http2WindowLimit: options.get('http2WindowLimit'),
    http2Cleartext: options.get('http2Cleartext'),
    extendedConnect: options.get('extendedConnect'),
    requestsPerConnection: options.get('requestsPerConnection'),
    connectionAge: options.get('connectionAge'),
    connectionAgeGrace: options.get('connectionAgeGrace'),
    tlsSetupTimeout: options.get('tlsSetupTimeout'),
    nodeStyle: false,
    allowMissingHost: false,
    connectionLimit: options.get('connectionLimit'),
    connectionsPerIpLimit: options.get('connectionsPerIpLimit'),
    proxies: [...options.get('proxies')],
  }
}
