// Installs packed packages in empty folders as users do, and serves a request with each, by import and by require.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { NPM } from '../targets.mjs'

const BODY = `serve('127.0.0.1:0', () => Response.text('served')).then(async (server) => {
  console.log(await (await fetch(server.url)).text())
  await server.stop()
})`
const APPS = {
  'esm.mjs': `import { serve, Response } from 'busbar'\n${BODY}\n`,
  'cjs.cjs': `const { serve, Response } = require('busbar')\n${BODY}\n`,
}

/** Milliseconds for one command. */
const LIMIT = 180_000

/** How to install with each package manager; each gets an empty folder and the registry's URL. Scripts are off. */
export const MANAGERS = {
  npm: ({ npm }, url, cache) => [{}, [...npm, 'install', 'busbar', ...npmFlags(url, cache)]],
  'npm, version 12': ({ npm12 }, url, cache) => [{}, [...npm12, 'install', 'busbar', ...npmFlags(url, cache)]],
  pnpm: ({ pnpm }, url, cache) => [
    { '.npmrc': `registry=${url}\nignore-scripts=true\nstore-dir=${cache}\ncache-dir=${cache}\nstate-dir=${cache}\n` },
    [...pnpm, 'add', 'busbar'],
  ],
  'yarn, Plug\'n\'Play': ({ yarn }, url, cache) => [yarnrc('pnp', url, cache), [...yarn, 'add', 'busbar']],
  'yarn, node_modules': ({ yarn }, url, cache) => [yarnrc('node-modules', url, cache), [...yarn, 'add', 'busbar']],
  bun: ({ bun }, url, cache) => [
    { 'bunfig.toml': `[install]\nregistry = "${url}"\n[install.cache]\ndir = "${cache}"\n` },
    [...bun, 'add', '--ignore-scripts', 'busbar'],
  ],
  deno: ({ deno }, url) => [{ '.npmrc': `registry=${url}\n` }, [...deno, 'install', '--node-modules-dir=auto', 'npm:busbar']],
}

function npmFlags(url, cache) {
  return ['--registry', url, '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache]
}

function yarnrc(nodeLinker, url, cache) {
  const settings = {
    nodeLinker, npmRegistryServer: url, unsafeHttpWhitelist: ['127.0.0.1'], enableScripts: false, enableTelemetry: false,
    enableGlobalCache: false, cacheFolder: cache, globalFolder: `${cache}-global`, npmMinimalAgeGate: 0, enableImmutableInstalls: false,
  }
  return { '.yarnrc.yml': Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`).join(''), 'yarn.lock': '' }
}

/** The programs of the folder `runtimes`, where npm has installed them; what is missing is left out. */
export function findTools(runtimes) {
  const modules = (name, path) => {
    const found = resolve(runtimes, 'node_modules', name, path)
    return existsSync(found) ? found : undefined
  }
  const nodes = { [process.versions.node]: process.execPath }
  for (const major of [20, 22, 24, 26]) {
    const found = resolve(runtimes, `node-${major}/node_modules/node-${process.platform}-${process.arch}/bin/node`)
    if (existsSync(found)) nodes[major] = found
  }
  const newest = nodes[26] ?? nodes[24] ?? process.execPath
  const script = (name, path) => {
    const found = modules(name, path)
    return found === undefined ? undefined : [newest, found]
  }
  const program = (name) => {
    const found = modules('.bin', name)
    return found === undefined ? undefined : [found]
  }
  const npm12 = resolve(runtimes, 'npm-12/node_modules/npm/bin/npm-cli.js')
  return {
    nodes,
    npm: NPM,
    npm12: existsSync(npm12) ? [newest, npm12] : undefined,
    pnpm: script('pnpm', 'bin/pnpm.cjs') ?? script('pnpm', 'bin/pnpm.mjs'),
    yarn: script('@yarnpkg/cli-dist', 'bin/yarn.js'),
    bun: program('bun'),
    deno: program('deno'),
  }
}

/** The registry is served by this process, so nothing here may wait for a program in one piece. */
async function run([command, ...args], cwd, env = {}) {
  const started = performance.now()
  const options = { cwd, timeout: LIMIT, env: { ...process.env, NODE_OPTIONS: '', BUSBAR_NATIVE_PATH: '', BUSBAR_IO_THREADS: '', ...env } }
  const { error, stdout, stderr } = await new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => resolve({ error, stdout, stderr }))
  })
  return { isOk: error === null, stdout, text: `${stdout}${stderr}`.trim() || String(error?.message), millis: performance.now() - started }
}

/** Which runtimes run what a package manager has installed. */
function* runsOf(manager, tools) {
  for (const app of Object.keys(APPS)) {
    if (manager === 'bun') yield [`bun ${app}`, [...tools.bun, app]]
    else if (manager === 'deno') yield [`deno ${app}`, [...tools.deno, 'run', '-A', app]]
    else if (manager.endsWith('Play')) yield [`yarn node ${app}`, [...tools.yarn, 'node', app]]
    else for (const [version, node] of Object.entries(tools.nodes)) yield [`Node ${version} ${app}`, [node, app]]
  }
}

/**
 * Installs by each package manager that `tools` has, and runs. Reports each step to `tell(isOk, text)`; gives how many
 * failed. `only` names the package managers.
 */
export async function installEverywhere(url, tools, tell, only) {
  let failures = 0
  for (const manager of only) {
    const program = manager.endsWith('12') ? 'npm12' : manager.split(',')[0]
    if (tools[program] === undefined) {
      tell(true, `${manager}: left out, it isn't installed`)
      continue
    }
    const folder = mkdtempSync(join(tmpdir(), 'busbar-install-'))
    const cache = join(folder, 'cache')
    const project = join(folder, 'project')
    mkdirSync(project)
    const [files, command] = MANAGERS[manager](tools, url, cache)
    const written = { 'package.json': '{ "name": "user", "private": true }', ...APPS, ...files }
    for (const [name, content] of Object.entries(written)) writeFileSync(join(project, name), content)
    const env = { DENO_DIR: cache, npm_config_registry: url, npm_config_minimum_release_age: '0', COREPACK_ENABLE_STRICT: '0' }
    const installed = await run(command, project, env)
    tell(installed.isOk, `${manager}: installs${installed.isOk ? ` in ${(installed.millis / 1000).toFixed(1)} s` : `\n${installed.text}`}`)
    if (!installed.isOk) failures += 1
    else {
      for (const [name, runCommand] of runsOf(manager, tools)) {
        const { isOk, stdout, text } = await run(runCommand, project, env)
        const isServed = isOk && stdout.trim() === 'served'
        tell(isServed, `${manager}: ${name}${isServed ? '' : `\n${text}`}`)
        if (!isServed) failures += 1
      }
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  return failures
}
