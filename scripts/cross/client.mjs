// What is asked of a server in an emulator (server.mjs): bodies both ways, files, a connection that is used again, a
// request that is refused; the same by HTTPS and HTTP/2; and its stop.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

const BODY = 'x'.repeat(100_000)
const FILE = readFileSync(new URL('server.mjs', import.meta.url), 'utf8')

/** Sends bytes on a connection of their own; gives what comes back until its end. */
function exchange(port, bytes) {
  const wire = connect(port, '127.0.0.1')
  wire.write(bytes)
  return text(wire)
}

/** What a way of asking gives for the paths of the server. */
async function checkPaths(ask) {
  assert.equal(await ask('/'), 'hello')
  assert.equal((await ask('/stream')).split(',').length, 101)
  assert.equal(await ask('/file'), FILE)
  assert.equal((await ask('/long')).length, 8_000_000)
  assert.deepEqual(JSON.parse(await ask('/echo', BODY)), { length: BODY.length })
}

/** Rejects with the first difference. */
export async function useServer([secure, plain]) {
  const url = `http://127.0.0.1:${plain}`
  await checkPaths(async (path, body) => (await fetch(url + path, body === undefined ? {} : { method: 'POST', body })).text())
  const twice = 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  assert.equal((await exchange(plain, twice)).match(/200 OK/g).length, 2)
  assert.match(await exchange(plain, 'GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)

  await checkPaths(async (path, body) => {
    const method = body === undefined ? 'GET' : 'POST'
    const asked = request({ host: '127.0.0.1', port: secure, path, method, rejectUnauthorized: false, agent: false }).end(body)
    const [response] = await once(asked, 'response')
    return text(response)
  })
  const session = connectHttp2(`https://127.0.0.1:${secure}`, { rejectUnauthorized: false })
  await checkPaths((path, body) => text(session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' }).end(body)))
  session.close()
  await once(session, 'close')
  assert.equal(await (await fetch(`${url}/stop`)).text(), 'hello')
}
