/**
 * Forms: fields and files, whole and as they come, and their limits.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ClientException, HttpErrorException, OptionError, Request, Response, StateError } from '../src/index.ts'
import type { FormLimits, Handler, ServerSettings } from '../src/index.ts'
import { GET, SCHEME, dialPlain, hold, open, until } from './support.ts'

const BOUNDARY = 'x-boundary'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`

/** A body of parts, each given as the lines of its head and its content. */
function bodyOf(...parts: readonly (readonly [head: string, content: string])[]): string {
  return `${parts.map(([head, content]) => `--${BOUNDARY}\r\n${head}\r\n\r\n${content}\r\n`).join('')}--${BOUNDARY}--\r\n`
}

const field = (name: string, value: string): readonly [string, string] => [`Content-Disposition: form-data; name="${name}"`, value]
const file = (name: string, filename: string, content: string, type = 'text/plain'): readonly [string, string] => [
  `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${type}`,
  content,
]

function post(body: string | Uint8Array, type = TYPE): Request {
  return Request.create('POST', '/', { 'content-type': type }, body)
}

interface Seen {
  name: string
  filename: string | null
  type: string
  isFile: boolean
  text: string
}

async function seen(request: Request, limits?: FormLimits): Promise<Seen[]> {
  const all: Seen[] = []
  for await (const part of request.parts(limits)) {
    all.push({ name: part.getName(), filename: part.getFilename(), type: part.getContentType(), isFile: part.isFile(), text: await part.text() })
  }
  return all
}

async function url(t: ExecutionContext, handler: Handler, settings: ServerSettings = {}): Promise<string> {
  const { port } = await open(t, handler, settings)
  return `${SCHEME}://127.0.0.1:${port}/`
}

for (const settings of [{ ioThreads: 0 }, { ioThreads: 1 }]) {
  test(`what fetch sends as a form is the same form here, with ${settings.ioThreads} threads`, async (t) => {
    const sent = new FormData()
    const bytes = randomBytes(100_000)
    sent.append('a', '1')
    sent.append('a', 'zwei äöü\r\n')
    sent.append('na"me', '')
    sent.append('file', new File([bytes], 'm\u00e4h "1".bin', { type: 'image/png' }))
    sent.append('blob', new Blob(['text']))
    const target = await url(
      t,
      async (request) => {
        const form = await request.formData()
        const entries = await Promise.all(
          [...form.entries()].map(async ([name, value]) =>
            typeof value === 'string'
              ? [name, value]
              : [name, value.name, value.type, createHash('md5').update(Buffer.from(await value.arrayBuffer())).digest('hex')],
          ),
        )
        return Response.json(entries)
      },
      { bodySizeLimit: 1_000_000, ...settings },
    )
    const answer = await fetch(target, { method: 'POST', body: sent })
    t.deepEqual(await answer.json(), [
      ['a', '1'],
      ['a', 'zwei äöü\r\n'],
      ['na"me', ''],
      ['file', 'm\u00e4h "1".bin', 'image/png', createHash('md5').update(bytes).digest('hex')],
      ['blob', 'blob', 'application/octet-stream', createHash('md5').update('text').digest('hex')],
    ])
  })
}

test('an urlencoded form is a form', async (t) => {
  const type = 'application/x-www-form-urlencoded; charset=UTF-8'
  const form = await post('a=1&b=%C3%A4+x&&a=2&c&=d', type).formData()
  t.deepEqual([...form.entries()], [['a', '1'], ['b', 'ä x'], ['a', '2'], ['c', ''], ['', 'd']])
  t.deepEqual((await seen(post('a=1', type))).map(({ name, isFile, text }) => [name, isFile, text]), [['a', false, '1']])
  t.deepEqual([...(await post('', type).formData()).entries()], [])
})

test('parts come in order, with what is said of them', async (t) => {
  const body = bodyOf(field('a', '1'), file('f', 'C:\\\\dir\\\\x.html', '<p>', 'text/html'), file('empty', '', '', 'application/octet-stream'), field('b', '2'))
  t.deepEqual(await seen(post(body)), [
    { name: 'a', filename: null, type: 'text/plain', isFile: false, text: '1' },
    { name: 'f', filename: 'x.html', type: 'text/html', isFile: true, text: '<p>' },
    { name: 'empty', filename: '', type: 'application/octet-stream', isFile: true, text: '' },
    { name: 'b', filename: null, type: 'text/plain', isFile: false, text: '2' },
  ])
})

test('a form without parts has none', async (t) => {
  t.deepEqual(await seen(post(bodyOf())), [])
})

test('a body is the same form, however it is cut into pieces', async (t) => {
  const body = Buffer.from(bodyOf(field('a', '1'), file('f', 'x', 'y\r\n--x-bound'.repeat(20)), field('b', '2')))
  const whole = await seen(post(body))
  for (const size of [1, 2, 3, 7, 50]) {
    const pieces = (async function* () {
      for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
    })()
    t.deepEqual(await seen(Request.create('POST', '/', { 'content-type': TYPE }, pieces)), whole, `pieces of ${size}`)
  }
})

test('the unread rest of a part is dropped, also when several parts arrive together', async (t) => {
  const body = bodyOf(file('a', 'a', 'x'.repeat(200_000)), file('b', 'b', 'y'), file('c', 'c', 'z'.repeat(200_000)), field('d', '1'))
  const names: string[] = []
  for await (const part of post(body).parts()) {
    names.push(part.getName())
    if (part.getName() === 'b') t.is(await part.text(), 'y')
    if (part.getName() === 'c') for await (const piece of part) if (piece.length > 0) break
  }
  t.deepEqual(names, ['a', 'b', 'c', 'd'])
})

test('a part is read once', async (t) => {
  for await (const part of post(bodyOf(field('a', '1'), file('b', 'b', '2'))).parts()) {
    await part.text()
    await t.throwsAsync(part.buffer(), { instanceOf: StateError, message: /was read already/ })
    t.is(part.isFile(), part.getName() === 'b')
  }
})

/** Status of the error that reading a form fails with, and its reason. */
async function failure(request: Request, limits?: FormLimits): Promise<[number, string]> {
  const error = (await seen(request, limits).catch((reason: unknown) => reason)) as HttpErrorException
  if (!(error instanceof HttpErrorException)) throw new Error(`no such error: ${String(error)}`)
  return [error.status, String((error.cause as Error).message)]
}

const many = (count: number): string => bodyOf(...Array.from({ length: count }, (_, at) => field(`f${at}`, '1')))
const files = (count: number): string => bodyOf(...Array.from({ length: count }, (_, at) => file(`f${at}`, 'x', '1')))
const encoded = 'application/x-www-form-urlencoded'

const TOO_LARGE: [string, Request, FormLimits | undefined, RegExp][] = [
  ['more than 1,000 fields', post(many(1001)), undefined, /more than 1000 fields/],
  ['more than 1,000 urlencoded fields', post('a=1&'.repeat(1001), encoded), undefined, /more than 1000 fields/],
  ['more than 100 files', post(files(101)), undefined, /more than 100 files/],
  ['a field of more than 1 MiB', post(bodyOf(field('a', 'x'.repeat(1024 * 1024 + 1)))), undefined, /a field of more than 1048576 bytes/],
  ['an urlencoded field of more than 1 MiB', post(`a=${'x'.repeat(1024 * 1024 + 1)}`, encoded), undefined, /a field of more than 1048576 bytes/],
  ['more fields than were set', post(many(3)), { fields: 2 }, /more than 2 fields/],
  ['a larger field than was set', post(bodyOf(field('a', 'xyz'))), { fieldSize: 2 }, /a field of more than 2 bytes/],
  ['a larger urlencoded field than was set', post('a=%C3%A4%C3%A4', encoded), { fieldSize: 3 }, /a field of more than 3 bytes/],
  ['more files than were set', post(files(1)), { files: 0 }, /more than 0 files/],
  ['a larger file than was set', post(bodyOf(file('a', 'x', 'xyz'))), { fileSize: 2 }, /a file of more than 2 bytes/],
]
for (const [what, request, limits, message] of TOO_LARGE) {
  test(`${what} is a 413`, async (t) => {
    const [status, text] = await failure(request, limits)
    t.is(status, 413)
    t.regex(text, message)
  })
}

test('exactly as much as is allowed is taken', async (t) => {
  t.is((await seen(post(many(1000)))).length, 1000)
  t.is((await seen(post(files(100)))).length, 100)
  t.is((await seen(post('a=1&'.repeat(1000), encoded))).length, 1000)
  t.is((await seen(post(bodyOf(field('a', 'x'.repeat(1024 * 1024))))))[0]!.text.length, 1024 * 1024)
  t.is((await seen(post(bodyOf(file('a', 'x', 'xy'))), { fileSize: 2 }))[0]!.text, 'xy')
})

const MALFORMED: [string, Request][] = [
  ['no boundary', post(bodyOf(field('a', '1')), 'multipart/form-data')],
  ['no end', post(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1`)],
  ['an end within a file', post(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n1`)],
  ['no part at all', post('')],
  ['another boundary', post(bodyOf(field('a', '1')), 'multipart/form-data; boundary=other')],
  ['a part without a name', post(bodyOf(['Content-Disposition: form-data', '1']))],
]
for (const [what, request] of MALFORMED) {
  test(`${what} is a 400`, async (t) => t.is((await failure(request))[0], 400))
}

for (const type of ['application/json', 'text/plain', 'multipart/mixed; boundary=a', '']) {
  test(`${type === '' ? 'no type' : type} is a 415`, async (t) => {
    const request = Request.create('POST', '/', type === '' ? {} : { 'content-type': type }, '{}')
    await t.throwsAsync(request.formData(), { instanceOf: HttpErrorException, message: /415/ })
  })
}

test('wrong limits throw by name', async (t) => {
  for (const [limits, message] of [
    [{ feilds: 1 }, /^feilds must be fields, fieldSize, files or fileSize; got 1$/],
    [{ files: -1 }, /^files must be a number, at least 0; got -1$/],
    [{ files: '1' }, /^files must be .*; got "1"$/],
    [5, /^limits must be an object/],
  ] as const) {
    await t.throwsAsync(post(bodyOf()).formData(limits as FormLimits), { instanceOf: OptionError, message })
  }
})

test('an upload that meets bodySizeLimit says so, and is a 413 on the wire', async (t) => {
  const errors: unknown[] = []
  let way: 'form' | 'parts' | 'raised' = 'form'
  const target = await url(
    t,
    async (request) => {
      try {
        if (way === 'raised') request.getBody().increaseSizeLimit(1_000_000)
        if (way !== 'parts') return Response.text(String([...(await request.formData()).keys()]))
        for await (const part of request.parts()) for await (const piece of part) t.true(piece.length > 0)
        return Response.text('all')
      } catch (error) {
        errors.push(error)
        throw error
      }
    },
    { bodySizeLimit: 10_000 },
  )
  const form = new FormData()
  form.append('file', new Blob(['x'.repeat(500_000)]))
  for (way of ['form', 'parts'] as const) {
    const status = await fetch(target, { method: 'POST', body: form }).then(({ status: code }) => code, () => 413)
    t.is(status, 413, way)
    const error = errors.pop() as ClientException
    t.true(error instanceof ClientException, way)
    t.is(error.getCode(), 413)
    t.regex(error.message, /larger than bodySizeLimit allows; .*increaseSizeLimit/)
  }
  way = 'raised'
  t.is(await (await fetch(target, { method: 'POST', body: form })).text(), 'file')
})

test('a client that leaves within a file ends it with a ClientException', async (t) => {
  const { connect, next } = await hold(t, { bodySizeLimit: 1_000_000 })
  const wire = await connect()
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${TYPE}\r\nContent-Length: 100000\r\n\r\n`)
  wire.send(bodyOf(file('a', 'a', 'x'.repeat(1000))).slice(0, 500))
  const { request } = await next()
  const reading = (async () => {
    for await (const part of request.parts()) {
      for await (const piece of part) if (piece.length > 0) wire.socket.resetAndDestroy()
    }
  })()
  await t.throwsAsync(reading, { instanceOf: ClientException })
})

test('a client is held up while a file is not read', async (t) => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const target = await url(
    t,
    async (request) => {
      let length = 0
      for await (const part of request.parts()) {
        await held
        for await (const piece of part) length += piece.length
      }
      return Response.text(String(length))
    },
    { bodySizeLimit: Infinity },
  )
  let sent = 0
  const body = (async function* () {
    yield Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n`)
    for (; sent < 1000; sent++) yield Buffer.alloc(64 * 1024)
    yield Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  })()
  const answered = fetch(target, { method: 'POST', headers: { 'content-type': TYPE }, body, duplex: 'half' } as unknown as RequestInit)
  let before = -1
  await until(() => {
    const isStill = sent > 0 && sent === before
    before = sent
    return isStill
  })
  t.true(sent < 1000)
  release()
  t.is(await (await answered).text(), String(1000 * 64 * 1024))
})

test('leaving the loop drops the rest, and the connection serves on', async (t) => {
  const { connect } = await open(t, async (request) => {
    if (request.getMethod() === 'GET') return Response.text('next')
    for await (const part of request.parts()) return Response.text(part.getName())
    return Response.text('none')
  })
  const body = bodyOf(field('first', '1'), file('f', 'f', 'x'.repeat(20_000)))
  const wire = await connect()
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${TYPE}\r\nContent-Length: ${body.length}\r\n\r\n${body}${GET}`)
  t.regex(await wire.until((text) => text.includes('next')), /\r\n\r\nfirst[^]*\r\n\r\nnext$/)
})

test('getNodeHeaders gives what a request of Node gives', async (t) => {
  const head =
    'GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\nCookie: a=1\r\nCookie: b=2\r\nSet-Cookie: c\r\nUser-Agent: x\r\nUser-Agent: y\r\nReferer: r\r\nReferer: s\r\n' +
    'If-Modified-Since: x\r\nIf-Modified-Since: y\r\nIf-None-Match: "a"\r\nIf-None-Match: "b"\r\nOrigin: o\r\nConnection: close\r\n\r\n'
  const nodes = createServer()
  nodes.listen(0, '127.0.0.1')
  t.teardown(() => nodes.close())
  await once(nodes, 'listening')
  const { port } = nodes.address() as { port: number }
  const asked = once(nodes, 'request') as Promise<[{ headers: IncomingHttpHeaders }, { end(): void }]>
  let ours: IncomingHttpHeaders = {}
  const { connect } = await open(t, (request) => {
    ours = request.getNodeHeaders()
    return new Response(204)
  })
    const [wire, other] = [await connect(), await dialPlain(t, { port, host: '127.0.0.1' })]
  wire.send(head)
  other.send(head)
  const [request, response] = await asked
  response.end()
  await wire.end()
  t.deepEqual({ ...ours }, { ...request.headers })
})
