/**
 * The settings of `CompressionMiddleware`.
 */
import { OptionError } from '../core/errors.ts'
import { CODINGS, LEVELS } from './codings.ts'
import type { Coding, Levels } from './codings.ts'
import { PADDED_CODINGS } from './padding.ts'

/** Settings of `CompressionMiddleware`. */
export interface CompressionSettings {
  /** Bytes from which on a body is compressed. Default: 860. */
  readonly minimumLength?: number | undefined
  /**
   * Media types that are compressed. Default: text, JSON, XML, JavaScript and other types that are text, and formats of
   * fonts and images that aren't compressed.
   */
  readonly types?: RegExp | undefined
  /** Codings that are used, the best first: a client's own preference comes before. Default: zstd where Node has it, br, gzip. */
  readonly codings?: readonly Coding[] | undefined
  /** How hard they work: gzip 1 to 9, br 0 to 11, zstd 1 to 19. Default: gzip 4, br 4, zstd 3. */
  readonly levels?: Partial<Levels> | undefined
  /** Milliseconds for which a stream of unknown length is watched for whether it reaches `minimumLength`. Default: 100. */
  readonly bufferTimeout?: number | undefined
  /**
   * Most random bytes that are added to each compressed body, against attacks that measure it. Then zstd isn't used, which
   * has no place for them. Default: 0, none.
   */
  readonly padding?: number | undefined
}

/** Checked settings. */
export interface CompressionRules {
  readonly minimumLength: number
  readonly types: RegExp
  readonly codings: readonly Coding[]
  readonly levels: Levels
  readonly bufferTimeout: number
  readonly padding: number
}

const TYPES =
  /^(?:text\/.+|(?:application|image|model|message)\/(?:.+\+)?(?:json|xml|text|yaml)|application\/(?:javascript|x-javascript|ecmascript|ndjson|x-ndjson|jsonl|graphql|toml|sql|rtf|wasm|x-httpd-php|x-sh|x-www-form-urlencoded|vnd\.ms-fontobject)|font\/(?:collection|otf|sfnt|ttf)|image\/(?:bmp|x-icon|vnd\.microsoft\.icon|svg))$/i

const HIGHEST: Levels = { gzip: 9, br: 11, zstd: 19 }
const LOWEST: Levels = { gzip: 1, br: 0, zstd: 1 }
/** A gzip file name of this length is read by every client that was tried. */
const MOST_PADDING = 4096

/** Checks settings, and adds the defaults of those that were left out. */
export function checkCompression(settings: CompressionSettings): CompressionRules {
  if (typeof settings !== 'object' || settings === null) throw new OptionError('settings', settings, 'an object such as { minimumLength: 1024 }')
  const { minimumLength = 860, types = TYPES, codings = CODINGS, levels = {}, bufferTimeout = 100, padding = 0, ...unknown } = settings
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw new OptionError('a setting of CompressionMiddleware', name, 'minimumLength, types, codings, levels, bufferTimeout or padding')
  checkInteger('minimumLength', minimumLength, 1, Number.MAX_SAFE_INTEGER)
  checkInteger('bufferTimeout', bufferTimeout, 1, 2 ** 31 - 1)
  checkInteger('padding', padding, 0, MOST_PADDING)
  if (!(types instanceof RegExp)) throw new OptionError('types', types, 'an expression for media types')
  const isList = Array.isArray(codings) && codings.length > 0 && codings.every((coding) => CODINGS.includes(coding))
  if (!isList) throw new OptionError('codings', codings, `a list of ${CODINGS.join(', ')}`)
  return {
    minimumLength,
    // With the flag g a match would depend on the one before.
    types: new RegExp(types.source, types.flags.replace(/[gy]/g, '')),
    codings: padding === 0 ? codings : codings.filter((coding) => PADDED_CODINGS.includes(coding)),
    levels: checkLevels(levels),
    bufferTimeout,
    padding,
  }
}

function checkLevels(levels: Partial<Levels>): Levels {
  if (typeof levels !== 'object' || levels === null) throw new OptionError('levels', levels, 'an object such as { gzip: 6 }')
  for (const name of Object.keys(levels) as Coding[]) {
    if (!CODINGS.includes(name)) throw new OptionError('a level', name, `for ${CODINGS.join(', ')}`)
    if (levels[name] !== undefined) checkInteger(`the level of ${name}`, levels[name], LOWEST[name], HIGHEST[name])
  }
  return { zstd: levels.zstd ?? LEVELS.zstd, br: levels.br ?? LEVELS.br, gzip: levels.gzip ?? LEVELS.gzip }
}

function checkInteger(name: string, value: unknown, least: number, most: number): void {
  const isRight = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
  if (!isRight) throw new OptionError(name, value, most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`)
}
