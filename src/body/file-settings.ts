/**
 * The settings of `Response.file`.
 */
import { OptionError } from '../core/errors.ts'
import type { FieldsInit } from '../http/fields.ts'

/** Settings of `Response.file`. */
export interface FileSettings {
  /** Directory that must contain the file. */
  readonly root?: string | URL | null | undefined
  /** Further headers. */
  readonly headers?: FieldsInit | undefined
  /** Seconds for which clients may use their copy without asking again; sent as `cache-control: max-age`. Default: not sent. */
  readonly maxAge?: number | undefined
  /** Name of the file, or names in order of preference, that stands for a directory. Default: a directory is a 404. */
  readonly index?: string | readonly string[] | undefined
  /**
   * Whether a file with the same name and `.br`, `.zst` or `.gz` behind it is sent where the client accepts that
   * coding. The application has to keep these files up to date: their content isn't compared. Default: false.
   */
  readonly precompressed?: boolean | undefined
  /** Whether methods other than GET and HEAD are answered with a 405. Default: false, they get the whole file. */
  readonly getOnly?: boolean | undefined
  /** Seconds for which size and time of the file are used without another look at it; 0 looks each time. Default: 1. */
  readonly revalidate?: number | undefined
}

/** Checked settings, with the defaults of those that were left out. */
export interface FileRules {
  readonly root: string | URL | null
  readonly headers: FieldsInit | undefined
  readonly maxAge: number
  readonly index: readonly string[]
  readonly precompressed: boolean
  readonly getOnly: boolean
  readonly revalidate: number
}

/** No `cache-control` is sent. */
export const NO_MAX_AGE = -1

const NO_INDEX: readonly string[] = []
const DEFAULTS: FileRules = {
  root: null,
  headers: undefined,
  maxAge: NO_MAX_AGE,
  index: NO_INDEX,
  precompressed: false,
  getOnly: false,
  revalidate: 1,
}

/**
 * Checks the arguments of `Response.file`. Unknown settings are refused: a misspelt root would confine no path.
 */
export function checkFileSettings(path: string | URL, settings: FileSettings | undefined): FileRules {
  if (!isPath(path)) throw new OptionError('path', path, 'a string or a URL')
  if (settings === undefined) return DEFAULTS
  if (typeof settings !== 'object' || settings === null) {
    throw new OptionError('settings', settings, 'an object such as { root: directory, headers }')
  }
  const rules = { ...DEFAULTS }
  for (const name of Object.keys(settings)) {
    const value: unknown = settings[name as keyof FileSettings]
    if (value !== undefined) take(rules, name, value)
    else if (!Object.hasOwn(DEFAULTS, name)) refuse(name, value)
  }
  return rules
}

function take(rules: { -readonly [Name in keyof FileRules]: FileRules[Name] }, name: string, value: unknown): void {
  switch (name) {
    case 'root':
      if (value !== null && !isPath(value)) throw new OptionError(name, value, 'a directory as a string or a URL')
      rules.root = value
      return
    case 'headers':
      rules.headers = value as FieldsInit
      return
    case 'maxAge':
      if (!Number.isSafeInteger(value) || (value as number) < 0) throw new OptionError(name, value, 'a whole number of seconds, at least 0')
      rules.maxAge = value as number
      return
    case 'index':
      rules.index = checkIndex(value)
      return
    case 'precompressed':
    case 'getOnly':
      if (typeof value !== 'boolean') throw new OptionError(name, value, 'true or false')
      rules[name] = value
      return
    case 'revalidate':
      if (typeof value !== 'number' || !(value >= 0)) throw new OptionError(name, value, 'a number of seconds, at least 0')
      rules.revalidate = value
      return
    default:
      refuse(name, value)
  }
}

function refuse(name: string, value: unknown): never {
  throw new OptionError(name, value, 'root, headers, maxAge, index, precompressed, getOnly or revalidate')
}

function checkIndex(value: unknown): readonly string[] {
  const names: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (names.every((name): name is string => typeof name === 'string' && /^[^\0/\\]+$/.test(name) && !/^\.{1,2}$/.test(name))) return names
  throw new OptionError('index', value, 'the name of a file, such as index.html, or a list of them')
}

function isPath(value: unknown): value is string | URL {
  return typeof value === 'string' || value instanceof URL
}
