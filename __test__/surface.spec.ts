/**
 * The tables of docs/surface.md: what they name exists, and the specs that they name use it.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import test from 'ava'
import * as busbar from '../src/index.ts'
import { UpgradedSocket } from '../src/connection/upgraded-socket.ts'

const root = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

/** The classes; that of sockets is loaded with the first one. */
const exported = { ...busbar, UpgradedSocket } as Readonly<Record<string, unknown>>
const index = read('src/index.ts')
const everything = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(`src/${file}`))
  .join('\n')

interface Row {
  readonly line: number
  readonly reference: string
  readonly ours: string
  readonly reason: string
  readonly specs: readonly string[]
}

const spans = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!)

function* rows(): Generator<Row, void, undefined> {
  for (const [at, line] of read('docs/surface.md').split('\n').entries()) {
    const cells = line.split('|').map((cell) => cell.trim())
    if (cells.length !== 6 || cells[1] === 'reference' || cells[1]!.startsWith('---')) continue
    const [, reference = '', ours = '', reason = '', specs = ''] = cells
    yield { line: at + 1, reference, ours, reason, specs: spans(specs) }
  }
}

/** The source of an exported type. */
function sourceOf(name: string): string | null {
  const found = [...index.matchAll(/^export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/gm)].find(([, names]) => names!.split(',').some((each) => each.trim() === name))
  return found === undefined ? null : read(`src/${found[2]}`)
}

/** Whether a name is exported, and has the member. */
function exists(name: string, separator: string, member: string): boolean {
  const value = exported[name]
  const source = sourceOf(name)
  if (member === '') return value !== undefined || source !== null
  if (separator === '.') return value !== undefined && (value as Record<string, unknown>)[member] !== undefined
  if (typeof value === 'function') return member in (value.prototype as object)
  return source !== null && declares(source, name, member)
}

/** Interfaces exist in the sources alone: whether one has a member, or the one that it extends. */
function declares(source: string, name: string, member: string): boolean {
  const body = new RegExp(`interface ${name}\\b[^]*?\\n}|interface ${name}\\b.*\\{\\}`).exec(source)?.[0]
  if (body === undefined) return false
  if (new RegExp(`\\b${member}\\??[(:<]`).test(body)) return true
  const base = /extends (\w+)/.exec(body)?.[1]
  return base !== undefined && declares(everything, base, member)
}

const all = [...rows()]

test('there are tables, with a row for each class of the reference', (t) => {
  t.true(all.length > 150)
  const told = all.map(({ reference }) => reference).join(' ')
  for (const name of ['Client', 'HttpServer', 'Options', 'Request', 'RequestBody', 'Response', 'Push', 'UpgradedSocket', 'Trailers', 'TlsInfo', 'CompressionMiddleware']) {
    t.regex(told, new RegExp(`\`(new )?${name}[\`(]`))
  }
})

for (const { line, reference, ours, reason, specs } of all) {
  const names = spans(ours)
  test(`docs/surface.md:${line} ${reference === '' ? ours : reference}`, (t) => {
    if (names.length === 0) {
      t.is(ours, 'not ours')
      t.not(reason, '', 'what is not ours has a reason')
      return
    }
    t.true(specs.length > 0, 'a spec proves it')
    const texts = specs.map((spec) => {
      t.true(existsSync(new URL(`__test__/${spec}.spec.ts`, root)), `__test__/${spec}.spec.ts exists`)
      return read(`__test__/${spec}.spec.ts`)
    })
    for (const name of names) {
      const [, owner = '', separator = '', member = ''] = /^(\w+)(?:([#.])(\w+))?$/.exec(name) ?? []
      t.true(exists(owner, separator, member), `${name} exists`)
      if (member !== '') t.true(texts.some((text) => new RegExp(`\\b${member}\\b`).test(text)), `a spec of the row uses ${name}`)
    }
  })
}
