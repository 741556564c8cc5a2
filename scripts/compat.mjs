// Runs the test suites of packages that are used with node:http, on Node's own servers and on busbar's, and writes the
// table in docs/node-http.md.
//
// Usage: npm run compat -- --sources DIR [NAME...]
// DIR has the repository of each package, as OWNER+NAME/repo (bare) or as a checkout OWNER+NAME. Nothing of them is kept:
// they are copied to target/compat, where their dependencies are installed. Without names all suites that DIR has are run.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const work = join(root, 'target/compat')
const MOCHA = ['npx', 'mocha', '--reporter', 'dot', '--exit']
const HOST = 'a Host that is no host, or that CONNECT contradicts, is refused with a 400'

/** Each suite: its repository, how it is run, and why tests of it fail only on busbar. */
const SUITES = [
  { repo: 'expressjs/express', run: [...MOCHA, '--require', 'test/support/env', 'test/', 'test/acceptance/'], why: HOST },
  { repo: 'koajs/koa', run: ['node', '--test', '__tests__/**/*.test.js'], why: 'a 205 says content-length: 0 (RFC 9110 §15.3.6)' },
  { repo: 'senchalabs/connect', run: [...MOCHA, 'test/'] },
  { repo: 'pillarjs/finalhandler', run: [...MOCHA, 'test/'] },
  { repo: 'pillarjs/send', run: [...MOCHA, 'test/'] },
  { repo: 'expressjs/serve-static', run: [...MOCHA, 'test/'] },
  { repo: 'jshttp/on-finished', run: [...MOCHA, 'test/'], why: HOST },
  { repo: 'expressjs/compression', run: [...MOCHA, 'test/'] },
  { repo: 'expressjs/body-parser', run: [...MOCHA, 'test/'] },
  { repo: 'expressjs/session', run: [...MOCHA, 'test/'], why: HOST },
  { repo: 'expressjs/cookie-session', run: [...MOCHA, 'test/'] },
  { repo: 'expressjs/morgan', run: [...MOCHA, 'test/'], why: 'a status below 200 can’t be the last one' },
  { repo: 'expressjs/multer', run: [...MOCHA, 'test/'] },
  { repo: 'fastify/light-my-request', run: ['node', '--test', 'test/*.test.js'] },
  { repo: 'fastify/middie', run: ['node', '--test', 'test/*.test.js'] },
  { repo: 'websockets/ws', run: [...MOCHA, '--timeout', '2000', 'test/*.test.js'], why: 'resetAndDestroy ends with a FIN, not with a reset' },
]

/** Counts the servers of a run, which proves that it met the hook. */
const COUNTER = `import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import ${JSON.stringify(join(root, 'dist/register.js'))}
const counts = { busbar: 0, node: 0 }
subscribe('busbar.server', ({ servedBy }) => counts[servedBy]++)
process.on('exit', () => { if (counts.busbar + counts.node > 0) appendFileSync(process.env.COMPAT_COUNT, \`\${counts.busbar} \${counts.node}\\n\`) })
`

function fail(message) {
  console.error(`compat: ${message}`)
  process.exit(1)
}

/** Copies a repository to a fresh directory and installs what it needs. Null when the sources don't have it. */
function prepare(sources, repo) {
  const source = join(sources, repo.replace('/', '+'))
  const bare = join(source, 'repo')
  if (!existsSync(source)) return null
  const directory = join(work, basename(repo))
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const archive = execFileSync('git', ['--git-dir', existsSync(bare) ? bare : join(source, '.git'), 'archive', 'HEAD'], { maxBuffer: 2 ** 30 })
  execFileSync('tar', ['x'], { cwd: directory, input: archive })
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent'], { cwd: directory })
  return directory
}

/** Runs a suite; returns how many of its tests have passed and failed. */
function run(directory, [command, ...given], options) {
  const result = spawnSync(command, given, {
    cwd: directory, encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 900_000, shell: true,
    env: { ...process.env, NODE_ENV: 'test', FORCE_COLOR: '0', NODE_OPTIONS: options, COMPAT_COUNT: join(work, 'count') },
  })
  const count = (...patterns) => Number(patterns.map((pattern) => pattern.exec(result.stdout)?.[1]).find((found) => found !== undefined) ?? 0)
  return { passed: count(/(\d+) passing/, /^# pass (\d+)/m), failed: count(/(\d+) failing/, /^# fail (\d+)/m), isOver: result.error === undefined }
}

function countServers() {
  const path = join(work, 'count')
  if (!existsSync(path)) return 0
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  rmSync(path)
  return lines.reduce((sum, line) => sum + Number(line.split(' ')[0]), 0)
}

/** A row of the table for one suite. */
function measure(sources, { repo, run: command, why = '' }) {
  const directory = prepare(sources, repo)
  if (directory === null) return null
  const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const show = ({ passed, failed, isOver }) => `${passed} of ${passed + failed}${isOver ? '' : ', cut off'}`
  const onNode = run(directory, command, '')
  const onBusbar = run(directory, command, `--import ${join(work, 'count.mjs')}`)
  const servers = countServers()
  const reason = onBusbar.failed > onNode.failed ? why : ''
  const row = `| ${name} ${version} | ${show(onNode)} | ${show(onBusbar)} | ${servers} | ${reason} |`
  console.log(row)
  return row
}

const [flag, given, ...names] = process.argv.slice(2)
if (flag !== '--sources' || given === undefined) fail('usage: npm run compat -- --sources DIR [NAME...]')
if (!existsSync(join(root, 'dist/register.js'))) fail('run npm run build first')
mkdirSync(work, { recursive: true })
writeFileSync(join(work, 'count.mjs'), COUNTER)
const chosen = SUITES.filter(({ repo }) => names.length === 0 || names.includes(basename(repo)))
const rows = chosen.map((suite) => measure(resolve(given), suite)).filter((row) => row !== null)
const BEGIN = '<!-- compat: written by scripts/compat.mjs -->\n'
const END = '<!-- /compat -->'
const page = new URL('docs/node-http.md', `file://${root}/`)
const text = readFileSync(page, 'utf8')
const [before, rest] = text.split(BEGIN)
const [table, after] = rest.split(END)
const known = new Map(table.trim().split('\n').slice(2).map((row) => [row.split(' ')[1], row]))
for (const row of rows) known.set(row.split(' ')[1], row)
const head = `| package | on node:http | on busbar | servers | what fails only on busbar |\n|---|---|---|---|---|`
writeFileSync(page, `${before}${BEGIN}${[head, ...[...known.values()].toSorted()].join('\n')}\n${END}${after}`)
