/**
 * The documentation: links lead somewhere, snippets are JavaScript, and those in TypeScript have the right types.
 * package.spec runs the complete ones.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)]
const text = (page: string): string => readFileSync(join(root, page), 'utf8')

/** A heading's anchor, as GitHub makes it. */
function anchor(heading: string): string {
  return heading
    .replaceAll('`', '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')
}

const anchors = (page: string): string[] => [...text(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading!))

/** The snippets of a language in a page. */
function snippets(page: string, language: string): string[] {
  return [...text(page).matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, snippet]) => snippet!)
}

test('every relative link of the documentation leads to a file, and to a heading in it', (t) => {
  let count = 0
  for (const page of pages) {
    const prose = text(page).replaceAll(/^```[^]*?^```/gm, '')
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const [path, heading] = target!.split('#') as [string, string?]
      const file = path === '' ? page : join(dirname(page), path)
      t.true(existsSync(join(root, file)), `${page} links to ${target}`)
      if (heading !== undefined && file.endsWith('.md')) t.true(anchors(file).includes(heading), `${page} links to ${target}; ${file} has no such heading`)
      count++
    }
  }
  t.true(count > 30, 'the links were found')
})

test('every page of docs/ is linked from the index', (t) => {
  const index = text('docs/index.md')
  for (const page of pages) {
    if (page.startsWith('docs/') && page !== 'docs/index.md') t.true(index.includes(`](${page.slice(5)})`), page)
  }
})

test('every snippet is JavaScript', (t) => {
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (source: string) => unknown
  for (const page of pages) {
    for (const snippet of snippets(page, 'js')) {
      if (/^\s*(import|export) /m.test(snippet)) {
        const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--check'], { input: snippet, encoding: 'utf8' })
        t.is(status, 0, `${page}\n${snippet}\n${stderr}`)
      } else t.notThrows(() => new AsyncFunction(snippet), `${page}\n${snippet}`)
    }
  }
})

test('snippets in TypeScript have the right types', (t) => {
  const directory = join(root, 'target', 'snippets')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const files = pages.flatMap((page) =>
    // Parts of a program have names from elsewhere.
    snippets(page, 'ts').filter((snippet) => snippet.startsWith('import ')).map((snippet, place) => {
      const file = `${page.replaceAll(/[/.]/g, '-')}-${place}.mts`
      writeFileSync(join(directory, file), `${snippet}\nexport {}\n`)
      return file
    }),
  )
  t.true(files.length > 0)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2022',
    lib: ['es2023', 'dom', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [resolve(root, 'node_modules/@types')],
  }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', directory], { encoding: 'utf8' })
  t.is(stdout, '')
  t.is(status, 0)
})
