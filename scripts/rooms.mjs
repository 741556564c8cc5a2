// The rooms of src/ and the rules between them: which room may import which.
//
// Usage: node scripts/rooms.mjs            fails when a file doesn't agree with this list; `npm run lint` runs it
//        node scripts/rooms.mjs --write    writes .oxlintrc.json and the map in CONTRIBUTING.md
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'

/**
 * The rooms, from the ground up: each may import those before it, types included.
 * - `never`: rooms before it that it must not import.
 * - `isNative`: may import native.ts, the door to the addon.
 * - `isEntry`: is an entry point of the package, so it has an index.ts.
 * - `isLazy`: all its files are `lazy`. Those of entry points are, too.
 * - `lazy`: files that only `import()` loads, because a server that doesn't need them shouldn't read them at start.
 */
const ROOMS = [
  { name: 'core', purpose: 'what knows neither HTTP nor sockets: errors, the logger, helpers for promises and contexts' },
  { name: 'http', purpose: 'the words of HTTP as values: fields, status, methods, target, query, cookies, trailers' },
  { name: 'net', purpose: 'addresses', isNative: true },
  {
    name: 'tls',
    purpose: 'TLS of listeners: its settings and their files, certificates, what was negotiated',
    isNative: true,
    lazy: ['certificate-hook.ts', 'checked.ts', 'file-watch.ts', 'listener-tls.ts', 'read-settings.ts'],
  },
  { name: 'options', purpose: 'the options: their table, the `Options` class, and what of them the engine is sent', isNative: true },
  {
    name: 'connection',
    purpose: '`Client`, and the connection whose bytes are the application\'s: raw, upgraded, driven in JavaScript',
    isNative: true,
    lazy: ['injected-client.ts', 'node-socket.ts', 'upgraded-socket.ts'],
  },
  { name: 'body', purpose: 'bodies in both directions: sources, files, forms, `RequestBody`, a body that is arriving', lazy: ['multipart.ts'] },
  { name: 'message', purpose: '`Request` and `Response`', isNative: true },
  { name: 'handler', purpose: 'what answers: handlers, error pages, time limits, `inject`', lazy: ['inject.ts', 'injection.ts'] },
  { name: 'pages', purpose: 'HTML pages of our own: the debug page, the welcome page' },
  {
    name: 'web',
    purpose: "the web's `Request` and `Response` over those of a server, and the handlers of applications that take them",
    never: ['pages', 'options', 'tls'],
    isLazy: true,
  },
  {
    name: 'middleware',
    purpose: 'what stands around handlers, made of what users can import: `stack`, compression, CORS and the like',
    never: ['options', 'tls'],
  },
  { name: 'router', purpose: '`busbar/router`: routes by method and path, on find-my-way', isEntry: true, never: ['pages', 'web', 'options', 'tls'] },
  { name: 'static', purpose: '`busbar/static`: the files of a directory', isEntry: true, never: ['pages', 'web', 'router', 'options', 'tls'] },
  { name: 'websocket', purpose: '`busbar/websocket`: WebSockets by the package `ws`', isEntry: true, never: ['pages', 'web', 'router', 'static', 'options', 'tls'] },
  { name: 'hono', purpose: '`busbar/hono`: what Hono asks of each runtime', isEntry: true, never: ['pages', 'middleware', 'router', 'static', 'options', 'tls'] },
  { name: 'exchange', purpose: 'one request and its answer on the engine', never: ['handler', 'pages', 'web', 'middleware', 'router', 'static', 'websocket', 'hono'], isNative: true },
  {
    name: 'driver',
    purpose: 'drivers written in JavaScript, loaded where a server has a factory',
    never: ['pages', 'web', 'middleware', 'router', 'static', 'websocket', 'hono', 'exchange'],
    isNative: true,
    lazy: ['driver-selector.ts', 'parsed-exchange.ts', 'parsed-request.ts', 'parser-session.ts', 'stream-session.ts'],
  },
  { name: 'server', purpose: '`HttpServer`: listening, dispatching, settings, observers', isNative: true },
  {
    name: 'node-http',
    purpose: "`busbar/http`: servers with the API of node:http, on the engine; the hook that puts them in Node's place",
    never: ['pages', 'exchange', 'driver'],
    isNative: true,
    isEntry: true,
  },
  { name: 'fetch', purpose: "`busbar/fetch`: servers of web-standard applications", isEntry: true },
  { name: 'cli', purpose: 'parts of the command that few of its calls need: a new project', isLazy: true, never: ['tls', 'options', 'server'] },
]

/** Files outside the rooms: they find the package by `..`, which must be right in src/ and in dist/. */
const GROUND = ['native.ts', 'addon.ts']
const TOP = ['index.ts', 'cli.ts']

const root = new URL('..', import.meta.url)
const read = (path) => readFileSync(new URL(path, root), 'utf8')

/** Rooms that a room must not import. */
function forbidden(room) {
  const above = ROOMS.slice(ROOMS.indexOf(room) + 1).map(({ name }) => name)
  return [...(room.never ?? []), ...above]
}

const ADDON = { group: ['**/index.js', '**/addon.ts'], message: 'native.ts alone knows the addon.' }
const ENGINE = { group: ['**/native.ts'], message: 'This room has no engine; take what it needs as a parameter.' }
const PUBLIC = { group: TOP.map((file) => `../${file}`), message: 'index.ts and cli.ts are for users; import from the room.' }

function restricted(files, patterns) {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

/** What the linter forbids in a room. It sees types and import() as well. */
function overrideOf(room) {
  const { name, isNative = false } = room
  const rooms = forbidden(room).map((each) => `../${each}/**`)
  const message = `${name}/ must not know it; declare what is needed as an interface here (scripts/rooms.mjs).`
  const patterns = [ADDON, PUBLIC, ...(isNative ? [] : [ENGINE]), ...(rooms.length > 0 ? [{ group: rooms, message }] : [])]
  return restricted([`src/${name}/**`], patterns)
}

/** The linter's configuration, `.oxlintrc.json`. */
function lintConfig() {
  const config = {
    plugins: ['typescript', 'unicorn', 'oxc', 'import'],
    // Within a room types may refer to each other; at run time no file waits for one that waits for it.
    rules: { 'import/no-cycle': ['error', { ignoreTypes: true }] },
    overrides: [...ROOMS.map(overrideOf), restricted(TOP.map((file) => `src/${file}`), [ADDON])],
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

/** The map of the rooms, from the top, as CONTRIBUTING.md has it. */
function map() {
  const rows = ROOMS.toReversed().map((room) => {
    const { name, purpose, never = [], isNative = false } = room
    const but = never.length > 0 ? `; not ${never.join(', ')}` : ''
    return `| \`${name}/\` | ${purpose} | ${isNative ? 'yes' : 'no'}${but} |`
  })
  return ['| room | what is in it | may import native.ts |', '|---|---|---|', ...rows].join('\n')
}

const BEGIN = '<!-- rooms: written by scripts/rooms.mjs -->\n'
const END = '\n<!-- /rooms -->'

function withMap(text) {
  const [before, rest = ''] = text.split(BEGIN)
  const [, after] = rest.split(END)
  if (after === undefined) throw new Error(`CONTRIBUTING.md has no lines ${BEGIN.trim()} and ${END.trim()}`)
  return before + BEGIN + map() + END + after
}

/** What the linter can't see: folders that aren't listed, barrels, and lazy files that are loaded at start. */
function* faults() {
  const entries = readdirSync(new URL('src', root), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  for (const name of folders) if (!ROOMS.some((room) => room.name === name)) yield `src/${name}/ isn't listed in scripts/rooms.mjs`
  for (const { name } of entries) {
    if (name.endsWith('.ts') && ![...GROUND, ...TOP].includes(name)) yield `src/${name} belongs into a room`
  }
  for (const room of ROOMS) {
    if (!folders.includes(room.name)) {
      yield `src/${room.name}/ is listed in scripts/rooms.mjs and doesn't exist`
      continue
    }
    const files = readdirSync(new URL(`src/${room.name}`, root))
    for (const file of room.lazy ?? []) if (!files.includes(file)) yield `src/${room.name}/${file} is listed as lazy and doesn't exist`
    if (files.includes('index.ts') !== (room.isEntry === true)) yield `src/${room.name}/index.ts: only entry points have one`
  }
}

/** Static imports of lazy files; those of types cost nothing. */
function* eagerImports() {
  const filesOf = ({ name, lazy = [], isLazy = false, isEntry = false }) => (isLazy || isEntry ? readdirSync(new URL(`src/${name}`, root)) : lazy)
  const lazy = new Set(ROOMS.flatMap((room) => filesOf(room).map((file) => `src/${room.name}/${file}`)))
  const files = readdirSync(new URL('src', root), { recursive: true }).map((file) => `src/${file}`)
  for (const path of files.filter((file) => file.endsWith('.ts') && !lazy.has(file))) {
    for (const [, target] of read(path).matchAll(/^(?:import|export) (?!type\b)[^'"]*from '(\.[^']+)'/gm)) {
      const imported = new URL(target, new URL(path, root)).href.slice(root.href.length)
      if (lazy.has(imported)) yield `${path} imports ${imported}, which few servers need; load it by import()`
    }
  }
}

/** The most lines of a file, without its tests. */
const LONGEST = 500

/** Files that are too long to be read at a sitting. */
function* longFiles() {
  const listed = (folder) => readdirSync(new URL(folder, root), { recursive: true }).map((file) => `${folder}/${file}`)
  const crates = readdirSync(new URL('crates', root)).map((crate) => `crates/${crate}/src`)
  const folders = ['src', ...crates.filter((folder) => existsSync(new URL(folder, root)))]
  for (const path of folders.flatMap(listed).filter((file) => /\.(ts|rs)$/.test(file))) {
    const lines = read(path).split(/^#\[cfg\(test\)\]$/m, 1)[0].split('\n').length - 1
    if (lines > LONGEST) yield `${path} has ${lines} lines, more than ${LONGEST}; split it by duty`
  }
}

const OUTPUTS = { '.oxlintrc.json': () => lintConfig(), 'CONTRIBUTING.md': () => withMap(read('CONTRIBUTING.md')) }
const isWriting = process.argv[2] === '--write'
const found = [...faults(), ...eagerImports(), ...longFiles()]
for (const [path, text] of Object.entries(OUTPUTS)) {
  if (isWriting) writeFileSync(new URL(path, root), text())
  else if (!existsSync(new URL(path, root)) || read(path) !== text()) found.push(`${path} is out of date; run node scripts/rooms.mjs --write`)
}
for (const fault of found) console.error(`rooms: ${fault}`)
process.exitCode = found.length > 0 ? 1 : 0
