// Serves applications of Next and Nest on Node's servers and, by the hook, on busbar's; compares what they answer, and
// writes the table of applications in docs/node-http.md.
//
// Usage: npm run compat:apps [-- NAME...]
// The packages are installed in target/compat-apps, and nothing of them is kept.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const work = join(root, 'target/compat-apps')
const JSON_BODY = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
const NEST = [['/'], ['/items/7'], ['/items', JSON_BODY], ['/refused'], ['/file'], ['/guarded'], ['/nowhere'], ['/', { method: 'HEAD' }], ['/items', { ...JSON_BODY, body: '{bad' }]]
const NEST_PACKAGES = ['@nestjs/core', '@nestjs/common', 'reflect-metadata', 'rxjs']

/** Each application: the packages, what builds it, what serves it, and what is asked. */
const APPS = [
  {
    name: 'next', directory: 'next', packages: ['next', 'react', 'react-dom'], build: ['npx', 'next', 'build'], serve: ['node_modules/next/dist/bin/next', 'start', '-H', '127.0.0.1'],
    asked: [['/'], ['/dynamic'], ['/api/hello'], ['/api/hello', { method: 'POST', body: 'streamed' }], ['/', { headers: { rsc: '1' } }], ['/', { headers: { 'accept-encoding': 'gzip' } }], ['/nowhere'], ['/', { method: 'HEAD' }]],
  },
  { name: '@nestjs/platform-express', directory: 'nest', packages: [...NEST_PACKAGES, '@nestjs/platform-express'], serve: ['main.cjs', 'express'], asked: NEST },
  { name: '@nestjs/platform-fastify', directory: 'nest', packages: [...NEST_PACKAGES, '@nestjs/platform-fastify'], serve: ['main.cjs', 'fastify'], asked: NEST },
]
/** Fields that differ from run to run, or that servers write each in their way. */
const UNSTABLE = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding'])

function fail(message) {
  console.error(`compat: ${message}`)
  process.exit(1)
}

/** Installs and builds an application. */
function prepare({ name, directory, packages, build }) {
  const target = join(work, name.replaceAll('/', '+'))
  rmSync(target, { recursive: true, force: true })
  cpSync(fileURLToPath(new URL(directory, import.meta.url)), target, { recursive: true })
  writeFileSync(join(target, 'package.json'), '{ "private": true }')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', ...packages], { cwd: target })
  if (build !== undefined) execFileSync(build[0], build.slice(1), { cwd: target, stdio: 'pipe', env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } })
  return target
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Serves an application, asks it, and stops it: its answers, how many servers busbar has had, and how it has ended. */
async function ask(target, { serve, asked }, options) {
  const port = await freePort()
  const env = { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: options, NODE_DEBUG: 'busbar', NEXT_TELEMETRY_DISABLED: '1', PORT: String(port) }
  const child = spawn(process.execPath, [...serve], { cwd: target, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.on('data', (text) => (told += text))
  const exited = once(child, 'exit')
  try {
    const url = `http://127.0.0.1:${port}`
    for (let left = 300; ; left--) {
      if (await fetch(url, { signal: AbortSignal.timeout(10_000) }).then((response) => response.arrayBuffer()).catch(() => null)) break
      if (left === 0 || child.exitCode !== null) throw new Error(`it doesn't answer: ${told.slice(-500)}`)
      await wait(100)
    }
    const answers = []
    for (const [path, init] of asked) {
      const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(20_000) })
      const fields = [...response.headers].filter(([field]) => !UNSTABLE.has(field)).map((field) => field.join(': '))
      answers.push(JSON.stringify([response.status, fields, (await response.text()).replaceAll(String(port), 'PORT')]))
    }
    child.kill('SIGTERM')
    const end = await Promise.race([exited.then(([code, signal]) => String(code ?? signal)), wait(10_000, 'it continues')])
    return { answers, servers: Number(/(\d+) servers are served by busbar(?![^]*servers are served by busbar)/.exec(told)?.[1] ?? 0), end }
  } finally {
    child.kill('SIGKILL')
  }
}

async function measure(app) {
  const target = prepare(app)
  const { version } = JSON.parse(readFileSync(join(target, 'node_modules', app.name, 'package.json'), 'utf8'))
  const nodes = await ask(target, app, '')
  const ours = await ask(target, app, `--import ${join(root, 'dist/register.js')}`)
  const same = ours.answers.filter((answer, at) => answer === nodes.answers[at]).length
  ours.answers.forEach((answer, at) => {
    if (answer !== nodes.answers[at]) console.error(`${app.name} ${app.asked[at][0]}\n  node   ${nodes.answers[at]}\n  busbar ${answer}`)
  })
  const end = ours.end === nodes.end ? 'as on Node' : `${ours.end}, on Node ${nodes.end}`
  return `| ${app.name} ${version} | ${same} of ${nodes.answers.length} | ${ours.servers} | ${end} |`
}

if (!existsSync(join(root, 'dist/register.js'))) fail('run npm run build first')
mkdirSync(work, { recursive: true })
const names = process.argv.slice(2)
const BEGIN = '<!-- apps: written by scripts/compat-apps/run.mjs -->\n'
const END = '<!-- /apps -->'
const page = join(root, 'docs/node-http.md')
const rows = new Map(readFileSync(page, 'utf8').split(BEGIN)[1].split(END)[0].trim().split('\n').slice(2).map((row) => [row.split(' ')[1], row]))
for (const app of APPS.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const row = await measure(app)
  console.log(row)
  rows.set(app.name, row)
}
const [before, rest] = readFileSync(page, 'utf8').split(BEGIN)
const head = '| application | answers alike | servers | its end by SIGTERM |\n|---|---|---|---|'
writeFileSync(page, `${before}${BEGIN}${[head, ...[...rows.values()].toSorted()].join('\n')}\n${END}${rest.split(END)[1]}`)
