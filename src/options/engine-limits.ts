/**
 * The part of the options that the native half enforces.
 */
import { OptionError } from '../core/errors.ts'
import type { EngineLimits } from '../native.ts'
import { isAllowed } from './option-table.ts'
import type { Options } from './options.ts'

/** Overrides `http1Timeout`, so that an operator can fit it to a balancer without touching the code. */
const KEEP_ALIVE = 'BUSBAR_KEEP_ALIVE_TIMEOUT'

/** Limits as the engine takes them. Throws when the environment overrides one with nonsense. */
export function engineLimits(options: Options): EngineLimits {
  return {
    http1Timeout: keepAliveOverride() ?? options.get('http1Timeout'),
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
    connectionLimit: options.get('connectionLimit'),
    connectionsPerIpLimit: options.get('connectionsPerIpLimit'),
    // Peers of unix sockets have no address to be counted by.
    proxies: options.get('proxies').filter((network) => network !== 'unix'),
  }
}

function keepAliveOverride(): number | null {
  const given = process.env[KEEP_ALIVE]
  if (given === undefined || given === '') return null
  const seconds = Number(given)
  if (!isAllowed('http1Timeout', seconds)) {
    throw new OptionError(`${KEEP_ALIVE} in the environment`, given, 'a whole number of seconds, at least 1')
  }
  return seconds
}
