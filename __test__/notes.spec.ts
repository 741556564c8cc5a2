import { once } from 'node:events'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { makeNotes, settings } from '../examples/notes.mjs'
import { HttpServer, silentLogger } from '../dist/index.js'
import { dial } from './support.ts'

const ORIGIN = 'https://notes.example'

/** The application on a port of its own, and a client that has logged in. */
async function opened(t: ExecutionContext) {
  const { handler, close } = makeNotes()
  const server = new HttpServer('127.0.0.1:0', handler, { ...settings, logger: silentLogger })
  await server.start()
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
    await close()
  })
  const url = server.url.slice(0, -1)
  const json = (body: unknown): RequestInit => ({ body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  const logIn = await fetch(`${url}/session`, { method: 'POST', ...json({ name: 'ada' }) })
  const cookie = logIn.headers.get('set-cookie')!.split(';')[0]!
  const ask = (method: string, path: string, init: RequestInit = {}) =>
    fetch(url + path, { method, ...init, headers: { cookie, accept: 'application/json', ...(init.headers as Record<string, string>) } })
  return { server, url, port: server.getServers()[0]!.getPort()!, ask, json, cookie, logIn }
}

test('notes are created, listed, changed and removed', async (t) => {
  const { ask, json, url } = await opened(t)
  const created = await ask('POST', '/notes', json({ title: 'Milk', text: 'Buy some' }))
  t.deepEqual([created.status, created.headers.get('location')], [201, '/notes/1'])
  t.like(await created.json(), { id: '1', title: 'Milk', author: 'ada', file: null })
  await ask('POST', '/notes', json({ title: 'Bread', text: '' }))
  t.is(((await (await fetch(`${url}/notes?q=mILK`)).json()) as unknown[]).length, 1)
  t.like(await (await ask('PUT', '/notes/1', json({ title: 'Milk', text: 'Bought' }))).json(), { text: 'Bought' })
  t.is((await ask('DELETE', '/notes/1')).status, 204)
  t.is((await ask('GET', '/notes/1')).status, 404)
  const refused = await ask('PATCH', '/notes/2')
  t.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD, PUT, DELETE, OPTIONS'])
})

test('what is not valid is a 422 that names it, and what is no JSON a 400', async (t) => {
  const { ask, json } = await opened(t)
  const response = await ask('POST', '/notes', json({ title: ' ', text: 5 }))
  t.is(response.status, 422)
  t.regex(await response.text(), /title.*text/)
  t.is((await ask('POST', '/notes', { body: '{' })).status, 400)
  t.is((await ask('POST', '/notes', json({ title: 'x'.repeat(300_000), text: '' }))).status, 413)
})

test('only who has logged in changes something, until they log out', async (t) => {
  const { ask, json, url, logIn } = await opened(t)
  t.regex(logIn.headers.get('set-cookie')!, /^session=[\w-]+; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/i)
  t.is((await fetch(`${url}/notes`, { method: 'POST', ...json({ title: 'a', text: '' }) })).status, 401)
  t.is((await ask('DELETE', '/session')).status, 204)
  t.is((await ask('POST', '/notes', json({ title: 'a', text: '' }))).status, 401)
})

test('scripts of the page may use it, also when it answers with an error; others may not', async (t) => {
  const { ask, url } = await opened(t)
  const preflight = await fetch(`${url}/notes/1`, { method: 'OPTIONS', headers: { origin: ORIGIN, 'access-control-request-method': 'PUT' } })
  t.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, ORIGIN])
  const missing = await ask('GET', '/notes/none', { headers: { origin: ORIGIN } })
  t.deepEqual([missing.status, missing.headers.get('access-control-allow-origin'), missing.headers.get('access-control-allow-credentials')], [404, ORIGIN, 'true'])
  t.is((await ask('GET', '/notes', { headers: { origin: 'https://evil.example' } })).headers.get('access-control-allow-origin'), null)
})

test('long responses are compressed', async (t) => {
  const { ask, json, port } = await opened(t)
  await ask('POST', '/notes', json({ title: 'Long', text: 'z'.repeat(5000) }))
  const wire = (await dial(t, { port, host: '127.0.0.1' })).send('GET /notes HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n')
  const received = Buffer.from(await wire.end(), 'latin1')
  const end = received.indexOf('\r\n\r\n')
  t.regex(received.toString('latin1', 0, end), /content-encoding: gzip/)
  t.true(received.length < 1000)
  t.regex(received.toString('latin1', 0, end), /vary: accept-encoding/i)
})

/** Text of an event stream, until it holds what is wanted. */
async function readUntil(response: Response, wanted: RegExp): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  const reader = response.body!.getReader()
  while (!wanted.test(text)) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  return text
}

test('events tell what happens, compressed as they come, and end when the server stops', async (t) => {
  const { ask, json, server } = await opened(t)
  const events = await ask('GET', '/events')
  t.is(events.headers.get('content-type'), 'text/event-stream')
  const first = events.clone()
  const reading = readUntil(first, /created/)
  await readUntil(events.clone(), /retry/)
  await ask('POST', '/notes', json({ title: 'Milk', text: '' }))
  t.regex(await reading, /retry: 1000\n\nevent: created\ndata: \{"kind":"created","id":"1","title":"Milk"\}\n\n/)
  const { cutOff } = await server.stop(10_000)
  t.is(cutOff, 0)
})

test('a WebSocket tells the same, takes messages, needs a session, and hears of the stop', async (t) => {
  const { ask, json, url, cookie, server } = await opened(t)
  const address = `${url.replace('http', 'ws')}/live`
  const refused = new WebSocket(address)
  refused.on('error', () => {})
  const [, answer] = (await once(refused, 'unexpected-response')) as [unknown, { statusCode: number; destroy: () => void }]
  t.is(answer.statusCode, 401)
  answer.destroy()
  const socket = new WebSocket(address, { headers: { cookie } })
  await once(socket, 'open')
  const next = async (): Promise<unknown> => JSON.parse(String((await once(socket, 'message'))[0]))
  const told = next()
  await ask('POST', '/notes', json({ title: 'Milk', text: '' }))
  t.deepEqual(await told, { kind: 'created', id: '1', title: 'Milk' })
  socket.send('hello')
  t.deepEqual(await next(), { kind: 'said', name: 'ada', text: 'hello' })
  const closed = once(socket, 'close')
  await server.stop(10_000)
  t.is((await closed)[0], 1001)
})

test('a file is attached and comes back, with ranges; one that is too large is a 413', async (t) => {
  const { ask, json } = await opened(t)
  await ask('POST', '/notes', json({ title: 'File', text: '' }))
  const upload = (size: number) => {
    const form = new FormData()
    form.set('file', new Blob(['x'.repeat(size)]), 'ü.txt')
    return ask('POST', '/notes/1/file', { body: form })
  }
  t.is((await ask('GET', '/notes/1/file')).status, 404)
  t.like(await (await upload(1_000_000)).json(), { file: 'ü.txt' })
  const file = await ask('GET', '/notes/1/file')
  t.is(file.headers.get('content-disposition'), "attachment; filename*=UTF-8''%C3%BC.txt")
  t.is((await file.text()).length, 1_000_000)
  t.is((await ask('GET', '/notes/1/file', { headers: { range: 'bytes=0-9' } })).headers.get('content-range'), 'bytes 0-9/1000000')
  t.is((await upload(10_500_000).catch(() => ({ status: 413 }))).status, 413)
  t.is((await ask('POST', '/notes/1/file', { body: new URLSearchParams({ a: 'b' }) })).status, 422)
})
