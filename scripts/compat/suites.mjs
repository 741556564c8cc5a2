// The suites that `npm run compat` runs: where they come from, how they are run, and why a test of them fails only on
// busbar.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFiles, nodeTitle } from './node-files.mjs'

const mocha = (...given) => ['npx', 'mocha', '--reporter', 'REPORTER.cjs', '--exit', ...given]
/** The files are named one by one, because the test runner of Node 20 takes no patterns. */
const nodeTest = (folder, ...given) => (directory) => ['node', '--test', '--test-reporter', 'REPORTER.mjs', ...given, ...testFiles(directory, folder)]
const vitest = (...given) => ['npx', 'vitest', 'run', '--no-coverage', '--reporter', 'json', '--outputFile', 'RESULTS', ...given]

function testFiles(directory, folder) {
  const names = readdirSync(join(directory, folder), { recursive: true }).filter((name) => /\.test\.m?js$/.test(name))
  return names.map((name) => join(folder, name)).toSorted()
}

const AS_24 = 'Node 24 does otherwise than Node 20, and busbar as Node 24'
const IDLE = 'an idle connection stays open for 15 or 75 seconds, not for 5'

/**
 * - `repo`: the repository; `ref`: a branch or tag, else the newest; `folder`: the package's folder there; `paths`: what
 *   of it is needed, else all.
 * - `npm`: the package as it is published, where that has the tests, or is needed beside them.
 * - `install`: packages that are installed beside what the manifest's `dependencies` name, in place of `devDependencies`.
 * - `prepare`: commands that are run once before the tests.
 * - `run`: the command of the tests, or what gives it for the suite's directory. `REPORTER` and `RESULTS` stand for files
 *   of ours.
 * - `files`: in place of `run`, the files of tests, each of which is run by itself.
 * - `title`: makes the name and the version that the table has, where the manifest has none.
 * - `reasons`: why a test whose name has these words fails only on busbar.
 */
export const SUITES = [
  { name: 'express', repo: 'expressjs/express', run: mocha('--require', 'test/support/env', 'test/', 'test/acceptance/') },
  { name: 'express4', repo: 'expressjs/express', ref: '4.x', run: mocha('--require', 'test/support/env', 'test/', 'test/acceptance/') },
  { name: 'koa', repo: 'koajs/koa', prepare: [['npm', 'run', 'build', '--if-present']], run: nodeTest('__tests__') },
  { name: 'connect', repo: 'senchalabs/connect', run: mocha('test/') },
  { name: 'finalhandler', repo: 'pillarjs/finalhandler', run: mocha('test/') },
  { name: 'send', repo: 'pillarjs/send', run: mocha('test/') },
  { name: 'serve-static', repo: 'expressjs/serve-static', run: mocha('test/') },
  { name: 'on-finished', repo: 'jshttp/on-finished', run: mocha('test/') },
  { name: 'compression', repo: 'expressjs/compression', run: mocha('test/') },
  { name: 'body-parser', repo: 'expressjs/body-parser', run: mocha('test/') },
  { name: 'session', repo: 'expressjs/session', run: mocha('test/') },
  { name: 'cookie-session', repo: 'expressjs/cookie-session', run: mocha('test/') },
  { name: 'morgan', repo: 'expressjs/morgan', run: mocha('test/'), reasons: { 'should not color 1xx': 'a status below 200 isn’t the last one of a request' } },
  { name: 'multer', repo: 'expressjs/multer', run: mocha('test/') },
  { name: 'light-my-request', npm: 'light-my-request@6', run: nodeTest('test') },
  { name: 'middie', repo: 'fastify/middie', run: nodeTest('test') },
  { name: 'fastify', npm: 'fastify@5', run: nodeTest('test', '--test-timeout', '60000', '--test-concurrency', '3') },
  { name: 'ws', repo: 'websockets/ws', run: mocha('--timeout', '4000', 'test/*.test.js'), reasons: { 'Upgrade header field value cannot be read': 'more fields than maxHeadersCount are a 431, as on Node 24' } },
  { name: 'node-server', repo: 'honojs/node-server', run: vitest() },
  {
    // Its own undici needs Node 22.
    name: 'srvx', repo: 'h3js/srvx', install: ['vitest@4', 'undici@7', 'execa@9', 'express@5', 'fastify@5', 'get-port-please@3', 'node-forge@1'],
    run: vitest('--typecheck.enabled=false', 'test/node'),
    reasons: { 'userinfo is dropped': 'a user part in a request target is refused with a 400' },
  },
  {
    name: 'engine.io', npm: 'engine.io@6.6.9', repo: 'socketio/socket.io', folder: 'packages/engine.io', paths: ['test'],
    install: ['mocha@10', 'superagent@9', 'expect.js@0.3', 'engine.io-client@6', 'engine.io-client-v3@npm:engine.io-client@3', 'express-session@1', 'helmet@7'],
    run: mocha('test/engine.io.js', 'test/middlewares.js', 'test/parser.js', 'test/server.js'),
  },
  {
    name: 'socket.io', npm: 'socket.io@4.8.3', repo: 'socketio/socket.io', folder: 'packages/socket.io', paths: ['test'],
    install: ['mocha@10', 'tsx@4', 'superagent@9', 'supertest@7', 'expect.js@0.3', 'socket.io-client@4', 'socket.io-client-v2@npm:socket.io-client@2'],
    // test/uws.ts needs uWebSockets.js, which isn't on the registry and serves without servers of Node's.
    run: mocha('--import=tsx', '--timeout', '10000', '--ignore', 'test/{index,uws,*-d}.ts', 'test/*.ts'),
  },
  {
    name: 'node', repo: 'denoland/node_test', paths: ['package.json', 'node_version.ts', 'test/common', 'test/parallel', 'test/fixtures/keys', 'test/fixtures/person.jpg'],
    install: [], files: nodeFiles, title: nodeTitle,
    reasons: {
      byteswritten: AS_24, 'max-headers-count': AS_24, 'outgoing-end-multiple': AS_24,
      'keep-alive-defaults': IDLE, 'keep-alive-max-requests-null': IDLE, 'server-multiheaders': 'several Host fields are refused with a 400',
      'repeated-chunked': 'an unknown transfer coding gets a 501',
    },
  },
]
