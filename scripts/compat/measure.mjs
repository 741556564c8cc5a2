// Preparing a suite, running it, and comparing two runs test by test.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const work = join(root, 'target/compat')
/** Where a suite's run writes its results, and where it counts its servers. */
const resultsPath = ({ name }) => join(work, `${name}.results`)
const countPath = ({ name }) => join(work, `${name}.servers`)
const HOOK = join(work, 'count.mjs')
/** Imported in place of the hook: what --import itself changes is the same on both sides. */
const NOTHING = join(work, 'nothing.mjs')
/** Where tests of Node's own put their files. */
const TEMPORARY = join(work, 'tmp')
const MINUTES = 60_000
/** How long one file of tests that is run by itself may take, in milliseconds: as long as Node's own runner gives it. */
const FILE_TIMEOUT = 120_000

/**
 * Ends a process of node:test whose tests have left something open, such as the server of one that failed. Its own flag for
 * that, --test-force-exit, loses results on Node 24.
 */
const ENDER = `if (process.env.NODE_TEST_CONTEXT !== undefined) setTimeout(() => process.exit(1), ${2 * FILE_TIMEOUT}).unref()
`

/** Counts the servers of a run, which proves that it met the hook. */
const COUNTER = `${ENDER}import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import ${JSON.stringify(join(root, 'dist/register.js'))}
subscribe('busbar.server', ({ servedBy }) => appendFileSync(process.env.COMPAT_SERVERS, \`\${servedBy}\\n\`))
`

const NPM = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent']

function npm(directory, ...given) {
  execFileSync('npm', given, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** The directory of a Node's programs, which is installed when it isn't the running one. */
export function nodeFolder(major) {
  if (process.versions.node.startsWith(`${major}.`)) return dirname(process.execPath)
  const directory = join(work, 'nodes')
  const folder = join(directory, `node_modules/node${major}/bin`)
  if (existsSync(folder)) return folder
  mkdirSync(directory, { recursive: true })
  if (!existsSync(join(directory, 'package.json'))) writeFileSync(join(directory, 'package.json'), '{}')
  npm(directory, 'install', '--no-audit', '--no-fund', '--silent', `node${major}@npm:node-${process.platform}-${process.arch}@${major}`)
  return folder
}

/** Lays a suite's sources into a directory of their own, with what they need. Null when there are no sources. */
export function prepare(sources, suite) {
  const directory = join(work, suite.name)
  if (existsSync(join(directory, '.prepared'))) return directory
  const source = suite.repo === undefined ? null : join(sources, suite.repo.replace('/', '+'))
  if (source !== null && !existsSync(source)) return null
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  if (suite.npm !== undefined) unpackTarball(directory, suite.npm)
  if (source !== null) unpackRepository(directory, source, suite)
  if (suite.install === undefined) npm(directory, ...NPM)
  else if (suite.install.length > 0) npm(directory, ...NPM, '--no-save', ...suite.install)
  for (const [command, ...given] of suite.prepare ?? []) execFileSync(command, given, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
  writeFileSync(join(directory, '.prepared'), '')
  return directory
}

function unpackTarball(directory, name) {
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', name, '--json'], { cwd: directory, encoding: 'utf8' }))
  execFileSync('tar', ['xf', filename, '--strip-components=1'], { cwd: directory })
}

/** Writes the files of a revision, but those that a partial copy of the repository lacks. */
function unpackRepository(directory, source, { ref = 'HEAD', folder = '', paths = [] }) {
  const bare = join(source, 'repo')
  const git = (given, input) => execFileSync('git', ['--git-dir', existsSync(bare) ? bare : join(source, '.git'), ...given], { input, maxBuffer: 2 ** 31 })
  const entries = git(['ls-tree', '-r', `${ref}:${folder}`, ...paths]).toString().trim().split('\n').map((line) => line.split(/\s+/))
  const files = entries.filter(([, type]) => type === 'blob')
  const bytes = git(['cat-file', '--batch'], files.map(([, , id]) => `${id}\n`).join(''))
  let at = 0
  for (const [mode, , , ...words] of files) {
    const end = bytes.indexOf('\n', at)
    const [, kind, size] = bytes.toString('latin1', at, end).split(' ')
    at = end + 1
    if (kind === 'missing') continue
    const path = join(directory, words.join(' '))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes.subarray(at, at + Number(size)), { mode: mode === '100755' ? 0o755 : 0o644 })
    at += Number(size) + 1
  }
}

/** The environment of a run; `isHooked` says whether busbar's servers stand in place of Node's. */
function environment(suite, folder, isHooked) {
  const { PATH } = process.env
  return {
    ...process.env, PATH: `${folder}:${PATH}`, NODE_ENV: 'test', FORCE_COLOR: '0', CI: 'true',
    NODE_OPTIONS: `--import ${isHooked ? HOOK : NOTHING}`, NODE_TEST_DIR: TEMPORARY,
    COMPAT_RESULTS: resultsPath(suite), COMPAT_SERVERS: countPath(suite),
  }
}

/**
 * Runs a suite, or of one whose files are run by themselves those that have these `names`. Returns the result of each test
 * by its name, and how many servers there were.
 */
async function run(directory, suite, folder, isHooked, names = null) {
  for (const path of [resultsPath(suite), countPath(suite)]) rmSync(path, { force: true })
  const results = suite.files === undefined ? runCommand(directory, suite, folder, isHooked) : await runFiles(directory, suite, folder, isHooked, names)
  return { results, servers: countServers(countPath(suite)) }
}

function runCommand(directory, suite, folder, isHooked) {
  const words = typeof suite.run === 'function' ? suite.run(directory) : suite.run
  const [command, ...given] = words.map((word) => (word.startsWith('REPORTER') ? join(here, word.replace('REPORTER', 'reporter')) : word === 'RESULTS' ? resultsPath(suite) : word))
  const { stdout, stderr, error } = spawnSync(command, given, {
    cwd: directory, encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 30 * MINUTES, killSignal: 'SIGKILL', env: environment(suite, folder, isHooked),
  })
  writeFileSync(join(work, `${suite.name}-${isHooked ? 'busbar' : 'node'}.log`), `${stdout}\n${stderr}`)
  if (error !== undefined) console.log(`${suite.name}: ${error.message}`)
  const path = resultsPath(suite)
  return existsSync(path) ? resultsIn(readFileSync(path, 'utf8'), directory) : new Map()
}

/** The results of a report: lines of ours, or the JSON of Vitest. */
function resultsIn(text, directory) {
  const results = new Map()
  const add = (name, result) => {
    let at = 1
    let unique = name
    while (results.has(unique)) unique = `${name} (${++at})`
    results.set(unique, result)
  }
  if (text.startsWith('{"numTotal')) {
    for (const { name, assertionResults } of JSON.parse(text).testResults) {
      for (const { fullName, status } of assertionResults) {
        add(`${name.replace(`${directory}/`, '')}: ${fullName}`, status === 'passed' || status === 'failed' ? status : 'skipped')
      }
    }
  } else for (const line of text.trim().split('\n')) add(...Object.values(JSON.parse(line)))
  return results
}

/** Runs files by themselves, two at a time: a file passes when its process does. */
async function runFiles(directory, suite, folder, isHooked, names) {
  const { counted } = suite.files(directory)
  const results = new Map()
  const waiting = counted.filter((path) => names === null || names.includes(basename(path)))
  let log = ''
  const env = environment(suite, folder, isHooked)
  const worker = async (number) => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const flags = /^\/\/ Flags: (.*)$/m.exec(readFileSync(join(directory, path), 'utf8'))?.[1].trim().split(/\s+/) ?? []
      const { code, output } = await runFile([...flags, path], { cwd: directory, env: { ...env, TEST_THREAD_ID: `${number}`, TEST_SERIAL_ID: `${number}` } })
      const isSkipped = code === 0 && /^1\.\.0 # Skipped/m.test(output)
      results.set(basename(path), isSkipped ? 'skipped' : code === 0 ? 'passed' : 'failed')
      if (code !== 0) log += `--- failed: ${path}: ${code}\n${output}\n`
    }
  }
  await Promise.all([worker(1), worker(2)])
  writeFileSync(join(work, `${suite.name}-${isHooked ? 'busbar' : 'node'}.log`), log)
  return results
}

function runFile(given, options) {
  return new Promise((resolve) => {
    execFile('node', given, { ...options, timeout: FILE_TIMEOUT, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), output: stdout + stderr })
    })
  })
}

function countServers(path) {
  if (!existsSync(path)) return 0
  return readFileSync(path, 'utf8').split('\n').filter((line) => line === 'busbar').length
}

/**
 * Runs a suite on Node's servers and on busbar's. A test fails only on busbar when it passes on Node and fails twice on
 * busbar; one that failed once is counted as passed. Of files that are run by themselves those count that pass on Node.
 */
export async function compare(directory, suite, folder) {
  mkdirSync(TEMPORARY, { recursive: true })
  writeFileSync(HOOK, COUNTER)
  writeFileSync(NOTHING, ENDER)
  const onNode = await run(directory, suite, folder, false)
  const onBusbar = await run(directory, suite, folder, true)
  const failing = (names, { results }) => names.filter((name) => (results.get(name) ?? 'failed') === 'failed')
  const counted = [...onNode.results].filter(([, result]) => result === 'passed' || (result === 'failed' && suite.files === undefined)).map(([name]) => name)
  const passing = counted.filter((name) => onNode.results.get(name) === 'passed')
  let only = failing(passing, onBusbar)
  if (only.length > 0) only = failing(only, await run(directory, suite, folder, true, only))
  const known = counted.filter((name) => !passing.includes(name) && (onBusbar.results.get(name) ?? 'failed') === 'failed')
  return { all: counted.length, onNode: passing.length, onBusbar: counted.length - only.length - known.length, servers: onBusbar.servers, only }
}
