// Node's own tests of its servers: which of them are about what its documentation says.
import { readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/** What shows that a test looks behind the documented API. */
const INTERNALS = [
  /--expose[-_]internals/, /internalBinding|process\.binding/, /require\('_http_/, /require\('internal\//, /\b_handle\b/, /\bkOutHeaders\b|kConnections|kServerResponse/,
  /\._(?:header|headerSent|send|storeHeader|implicitHeader|events|connections|httpMessage)\b/, /\.parser\b/, /getOwnPropertySymbols/,
  /_http_server|\bHTTPParser|freeParser/, /\b_writeRaw\b|\b_dumped\b|\b_secureEstablished\b|\boutputSize\b/,
]

/** Tests that look at the bytes, the listeners or the pauses of a connection while HTTP is spoken on it. */
const BESIDE = new Set([
  'test-http-dump-req-when-res-ends.js', 'test-http-header-overflow.js', 'test-http-no-read-no-dump.js', 'test-http-response-cork.js', 'test-http-server-unconsume.js',
])

/** Tests of Node's client, whose servers send what no server should be able to. */
const CLIENTS = new Set(['test-http-response-multi-content-length.js'])

/** Whether a test makes a server. */
const SERVER = /createServer|new http\.Server|new Server\(|http\.Server\(/

/** The files that count, by their paths in the repository; `internals` are those that don't. */
export function nodeFiles(directory) {
  const files = readdirSync(join(directory, 'test/parallel')).filter((name) => /^test-http-.*\.m?js$/.test(name)).toSorted()
  const texts = files.map((name) => [`test/parallel/${name}`, readFileSync(join(directory, 'test/parallel', name), 'utf8')])
  const servers = texts.filter(([, text]) => SERVER.test(text))
  const isInternal = ([path, text]) => BESIDE.has(basename(path)) || CLIENTS.has(basename(path)) || INTERNALS.some((pattern) => pattern.test(text))
  return { counted: servers.filter((each) => !isInternal(each)).map(([path]) => path), internals: servers.filter(isInternal).map(([path]) => path) }
}

/** Node's repository, and the version of it that the tests are of. */
export function nodeTitle(directory) {
  const [, version = ''] = /version = "([^"]+)"/.exec(readFileSync(join(directory, 'node_version.ts'), 'utf8')) ?? []
  return `nodejs/node ${version}`
}
