/** What an application and its clients see of a server's decisions about connections: on node:http and here the same. */
import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import type { PerformanceEntry } from 'node:perf_hooks'
import { PassThrough } from 'node:stream'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { listen, plays } from './differential/requests.ts'
import { Dialogue } from './differential/wire.ts'

type ParseFailure = NodeJS.ErrnoException & { rawPacket: Buffer }

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const REFUSED = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n [end]'

/** Waits until `isTrue`. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2))
}

async function dial(t: ExecutionContext, server: Server): Promise<Dialogue> {
  return Dialogue.dial(await listen(t, server))
}

test('a listener to clientError that does nothing hears of each piece that follows, and the end of the client is answered', async (t) => {
  await plays(t, [['* HPE_INVALID_METHOD', 'more HPE_INVALID_METHOD'], ' [end]'], async (create) => {
    const server = create(() => t.fail())
    const heard: string[] = []
    server.on('clientError', ({ code, rawPacket }: ParseFailure) => void heard.push(`${String(rawPacket)} ${code}`))
    const dialogue = (await dial(t, server)).send('*')
    await until(() => heard.length === 1)
    dialogue.send('more')
    await until(() => heard.length === 2)
    dialogue.socket.end()
    return [heard, await dialogue.end()]
  })
})

test('without a listener to clientError the socket emits the error', async (t) => {
  await plays(t, [REFUSED, 'HPE_INVALID_METHOD FOO /\r\n'], async (create) => {
    const server = create(() => t.fail())
    const failed = new Promise((resolve) => {
      server.on('connection', (socket: Socket) => socket.on('error', (error) => resolve(error)))
    })
    const text = await (await dial(t, server)).send('FOO /\r\n').end()
    const { code, rawPacket } = (await failed) as ParseFailure
    return [text, `${code} ${String(rawPacket)}`]
  })
})

test('what is no request takes the place of a response that is due and hasn’t begun', async (t) => {
  for (const [behind, answer] of [[`${GET}bad\r\n\r\n`, 'bad\r\n\r\n'], [`${GET}${GET}\r\n\r\nhello world`, 'hello world']] as const) {
    const events = ['aborted', 'close']
    await plays(t, [REFUSED, events], async (create) => {
      const seen: string[] = []
      const server = create()
      server.once('request', (req: IncomingMessage) => {
        for (const event of events) req.on(event, () => seen.push(event))
      })
      const text = await (await dial(t, server)).send(behind).end()
      await until(() => seen.includes('close'))
      return [text, seen]
    })
    await plays(t, ['HTTP/1.1 499 Mine\r\n\r\n [end]', [answer], events], async (create) => {
      const seen: string[] = []
      const server = create((req) => {
        for (const event of events) req.on(event, () => seen.push(event))
      })
      const heard: string[] = []
      server.on('clientError', ({ rawPacket, message }: ParseFailure, socket: Socket) => {
        t.regex(message, /^Parse Error: /)
        heard.push(String(rawPacket).slice(-answer.length))
        socket.end('HTTP/1.1 499 Mine\r\n\r\n')
      })
      const text = await (await dial(t, server)).send(behind).end()
      await until(() => seen.filter((event) => event === 'close').length === behind.split('GET').length - 1)
      return [text, heard, [...new Set(seen)]]
    })
  }
})

test('a malformed body takes the place of an earlier response that is due', async (t) => {
  await plays(t, [REFUSED, ['/ aborted', '/2 aborted', '/ close', '/2 close'].toSorted()], async (create) => {
    const seen: string[] = []
    const server = create((req) => {
      for (const event of ['aborted', 'close']) req.on(event, () => seen.push(`${req.url} ${event}`))
    })
    const dialogue = (await dial(t, server)).send(GET)
    await once(server, 'request')
    const text = await dialogue.send('GET /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n').end()
    await until(() => seen.length === 4)
    return [text, seen.toSorted()]
  })
})

test('a server that is closed serves its connections until they are idle for too long', async (t) => {
  await plays(t, [['connection: keep-alive', 200], ['connection: keep-alive', 200], ['connection: keep-alive', 200], ['end', 'end']], async (create) => {
    const server = create({ keepAliveTimeout: 100 }, (req, res) => {
      if (server.listening) server.close()
      res.removeHeader('keep-alive')
      setTimeout(() => res.end(), 20)
    })
    const port = await listen(t, server)
    const closed = once(server, 'close')
    const [half, dialogue] = [await Dialogue.dial(port), await Dialogue.dial(port)] as const
    half.send('GET / HTTP/1.1\r\nHost')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const told = async (one: Dialogue): Promise<unknown> => {
      const { line, fields } = (await one.response('GET'))!.at(-1)!
      return [fields.find((field) => field.startsWith('connection')), Number(line.split(' ')[1])]
    }
    const answers = [await told(dialogue.send(GET)), await told(dialogue.send(GET)), await told(half.send(': a\r\n\r\n'))]
    await Promise.all([half.end(), dialogue.end(), closed])
    return [...answers, [half.ending, dialogue.ending]]
  })
})

test('the last of maxRequestsPerSocket says the close, and what follows is a 503 on the same connection', async (t) => {
  const expected = [['connection: keep-alive', '200'], ['connection: close', '200'], ['connection: close', '503'], ['connection: close', '503'], 2, null]
  await plays(t, expected, async (create) => {
    const server = create((_req, res) => void res.end('ok'))
    server.maxRequestsPerSocket = 2
    let dropped = 0
    server.on('dropRequest', () => dropped++)
    const dialogue = await dial(t, server)
    const answers: unknown[] = []
    for (let count = 0; count < 4; count++) {
      const { line, fields } = (await dialogue.send(GET).response('GET'))!.at(-1)!
      answers.push([fields.find((field) => field.startsWith('connection')), line.split(' ')[1]])
    }
    return [...answers, dropped, dialogue.ending]
  })
})

test('what is said of a connection stands once, behind the date', async (t) => {
  const lines = ['Keep-Alive: timeout=9', 'Date', 'Connection: keep-alive', 'Content-Length: 2', 'Keep-Alive: timeout=9', 'Date', 'Connection: close', 'Content-Length: 2', '[end]']
  await plays(t, lines, async (create) => {
    const server = create((_req, res) => void res.setHeader('Keep-Alive', 'timeout=9').end('ok'))
    const dialogue = (await dial(t, server)).send(GET + GET.replace('Host', 'Connection: close\r\nHost'))
    await dialogue.end()
    return [...dialogue.received.split('\r\n').filter((line) => line.includes(': ')).map((line) => (line.startsWith('Date') ? 'Date' : line)), '[end]']
  })
})

test('a client that sends nothing gets a 408 after headersTimeout', async (t) => {
  await plays(t, 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n [end]', async (create) => {
    const server = create({ headersTimeout: 60, requestTimeout: 60, connectionsCheckingInterval: 20 }, () => t.fail())
    return (await dial(t, server)).end()
  })
})

test('a request whose chunks are malformed where its head ends is given all the same, and gets a 400', async (t) => {
  await plays(t, [REFUSED, ['POST', 'aborted', 'close']], async (create) => {
    const seen: string[] = []
    const server = create((req) => {
      seen.push(`${req.method}`)
      for (const event of ['aborted', 'close']) req.on(event, () => seen.push(event))
    })
    const text = await (await dial(t, server)).send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n').end()
    await until(() => seen.includes('close'))
    return [text, seen]
  })
})

test('a CONNECT to whatever it says is the application’s', async (t) => {
  for (const target of ['/', 'a:443', '*', 'http://a/b']) {
    await plays(t, target, async (create) => {
      const server = create(() => t.fail())
      const told = once(server, 'connect') as Promise<[IncomingMessage, Socket]>
      const dialogue = (await dial(t, server)).send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const [{ url }, socket] = await told
      socket.destroy()
      await dialogue.end()
      return url
    })
  }
})

test('a method that isn’t known is refused at its first byte that is none', async (t) => {
  for (const bytes of ['FETCH / HTTP/1.1\r\nHost: a\r\n\r\n', 'FE', '*']) {
    await plays(t, REFUSED, async (create) => (await dial(t, create(() => t.fail()))).send(bytes).end())
  }
})

test('a head that the client’s end cuts off gets a 400', async (t) => {
  await plays(t, [REFUSED, 'HPE_INVALID_EOF_STATE'], async (create) => {
    const half = 'GET / HTTP/1.1\r\nHost'
    const cut = async (server: Server): Promise<string> => {
      const dialogue = (await dial(t, server)).send(half)
      dialogue.socket.end()
      return dialogue.end()
    }
    const text = await cut(create(() => t.fail()))
    const server = create(() => t.fail())
    const told = once(server, 'clientError') as Promise<[ParseFailure, Socket]>
    server.on('clientError', (_error, socket) => socket.destroy())
    await cut(server)
    return [text, (await told)[0].code]
  })
})

test('an upgrade without a Host is the listener’s', async (t) => {
  await plays(t, ['101', '400'], async (create) => {
    const server = create(() => t.fail())
    server.on('upgrade', (_req, socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
    const port = await listen(t, server)
    const status = async (fields: string): Promise<string | undefined> => (await (await Dialogue.dial(port)).send(`GET / HTTP/1.1\r\n${fields}\r\n`).end()).split(' ')[1]
    return [await status('Connection: Upgrade\r\nUpgrade: x\r\n'), await status('')]
  })
})

test('a Host of any value is the application’s to judge, and white space around it is none of it', async (t) => {
  for (const [sent, value] of [[' \t a.b\t', 'a.b'], ['a\tb', 'a\tb'], [' \t ', ''], ['- - -', '- - -'], ['http://a/b', 'http://a/b'], ['"<b>', '"<b>'], ['::1', '::1']] as const) {
    await plays(t, value, async (create) => {
      const server = create((req, res) => void res.end(req.headers.host))
      return (await (await dial(t, server)).send(`GET / HTTP/1.1\r\nHost:${sent}\r\n\r\n`).response('GET'))!.at(-1)!.body
    })
  }
})

test('extensions are limited chunk by chunk', async (t) => {
  const chunk = (length: number): string => `2;${'a'.repeat(length)}=b\r\nAA\r\n`
  for (const [chunks, status] of [[chunk(10_000).repeat(4), '200'], [chunk(17_000), '413'], [chunk(1) + chunk(17_000), '413']] as const) {
    await plays(t, status, async (create) => {
      const server = create((req, res) => void req.resume().on('end', () => res.end()))
      const dialogue = (await dial(t, server)).send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
      await dialogue.until((text) => text.includes('\r\n'))
      return dialogue.received.split(' ')[1]
    })
  }
})

test('the timeout of a server runs before the first request and, as keepAliveTimeout, behind the last', async (t) => {
  for (const sent of ['', GET]) {
    await plays(t, [' [end]', 1], async (create) => {
      const server = create({ keepAliveTimeout: sent === '' ? 60_000 : 50 }, (_req, res) => void res.writeHead(204).end())
      let heard = 0
      server.setTimeout(sent === '' ? 50 : 60_000, (socket: Socket) => {
        heard++
        socket.destroy()
      })
      const dialogue = (await dial(t, server)).send(sent)
      const text = await dialogue.end()
      return [text.slice(-' [end]'.length), heard]
    })
  }
})

test('a response counts its own bytes alone, however many are unsent of earlier ones', async (t) => {
  await plays(t, [[true, false, true], [20_000_000, 10_000, 70_000, 10_000]], async (create) => {
    const isWritten: boolean[] = []
    const server = create((req, res) => {
      if (req.url === '/') return void res.end('1'.repeat(20_000_000))
      const body = '2'.repeat(Number(req.url!.slice(1)))
      isWritten.push(res.setHeader('content-length', body.length).write(body))
      res.end()
    })
    const client = await dial(t, server)
    // Much of the first response is unsent when the others are written.
    const asked = ['/', '/10000', '/70000', '/10000'].map((path) => GET.replace('/', path)).join('')
    await client.send(`${asked.slice(0, -2)}Connection: close\r\n\r\n`).end()
    const bodies = client.received.split(/HTTP\/1\.1 200 OK\r\n(?:.+\r\n)+\r\n/)
    return [isWritten, bodies.slice(1).map(({ length }) => length)]
  })
})

const inLoop = process.env['BUSBAR_IO_THREADS'] === undefined ? test : test.skip

inLoop('a client has left when its end came before what the handler waits for', async (t) => {
  for (const head of [GET, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n']) {
    await plays(t, ['close'], async (create) => {
      const events: string[] = []
      let answer = (): void => {}
      const server = create((req, res) => {
        for (const event of ['finish', 'close']) res.on(event, () => events.push(event))
        answer = () => void res.end('late')
        req.resume()
      })
      const signals = createServer((socket) => void socket.on('data', () => answer())).listen(0, '127.0.0.1')
      t.teardown(() => signals.close())
      await once(signals, 'listening')
      const signal = connect((signals.address() as AddressInfo).port, '127.0.0.1')
      await once(signal, 'connect')
      const dialogue = (await dial(t, server)).send(head)
      await once(server, 'request')
      if (head !== GET) dialogue.send('ab')
      await new Promise((resolve) => setTimeout(resolve, 20))
      // Both are here when the loop waits for events again, in this order.
      setImmediate(() => {
        dialogue.socket.destroy()
        signal.end('now')
      })
      await until(() => events.includes('close'))
      return events
    })
  }
})

test('a handler answers in the turn in which the request has come whole, though the client’s end came with it', async (t) => {
  const long = '3'.repeat(3_000_000)
  for (const isLong of [false, true]) {
    await plays(t, ['200', isLong ? `${long.length}` : '0', 'finish', 'close'], async (create) => {
      const events: string[] = []
      const server = create((req, res) => {
        for (const event of ['finish', 'close']) res.on(event, () => events.push(event))
        let length = 0
        req.on('aborted', () => events.push('aborted'))
        req.on('data', (piece: Buffer) => (length += piece.length)).on('end', () => setImmediate(() => res.end(String(length))))
      })
      const dialogue = await dial(t, server)
      dialogue.socket.end(isLong ? `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${long.length}\r\n\r\n${long}` : GET)
      const { line, body } = (await dialogue.response('GET'))!.at(-1)!
      await until(() => events.includes('close'))
      return [line.split(' ')[1], body, ...events]
    })
  }
})

test('a body that goes through a stream to a client that reads is written before its request closes, however long its pieces are', async (t) => {
  for (const length of [65_000, 100_000, 131_021, 300_000, 1_000_000]) {
    await plays(t, [length, 'req end', 'res prefinish', 'req close', 'res finish', 'res close'], async (create) => {
      const events: string[] = []
      const server = create((req, res) => {
        for (const event of ['end', 'close']) req.on(event, () => events.push(`req ${event}`))
        for (const event of ['prefinish', 'finish', 'close']) res.on(event, () => events.push(`res ${event}`))
        req.pipe(new PassThrough()).pipe(res)
      })
      const dialogue = (await dial(t, server)).send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`)
      const { body } = (await dialogue.response('POST'))!.at(-1)!
      await until(() => events.length === 5)
      return [body.length, ...events]
    })
  }
})

test('what a client has sent before its end is read, though the handler begins late', async (t) => {
  const long = '3'.repeat(3_000_000)
  await plays(t, ['200', `${long.length}`, 'finish', 'close'], async (create) => {
    const events: string[] = []
    const server = create((req, res) => {
      for (const event of ['finish', 'close']) res.on(event, () => events.push(event))
      req.on('aborted', () => events.push('aborted'))
      let length = 0
      setTimeout(() => req.on('data', (piece: Buffer) => (length += piece.length)).on('end', () => res.end(String(length))), 100)
    })
    const dialogue = await dial(t, server)
    dialogue.socket.end(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${long.length}\r\n\r\n${long}`)
    const { line, body } = (await dialogue.response('GET'))!.at(-1)!
    await until(() => events.includes('close'))
    return [line.split(' ')[1], body, ...events]
  })
})

test.serial('an observer of performance has an entry for each request', async (t) => {
  const path = '/observed'
  const entries: PerformanceEntry[] = []
  const observer = new PerformanceObserver((list) => void entries.push(...list.getEntries()))
  observer.observe({ type: 'http' })
  t.teardown(() => observer.disconnect())
  const detail = { req: { method: 'GET', url: path, headers: { host: 'a' } }, res: { statusCode: 404, statusMessage: 'Not Found', headers: { 'x-a': 'b' } } }
  await plays(t, detail, async (create) => {
    entries.length = 0
    const server = create((_req, res) => void res.setHeader('x-a', 'b').writeHead(404).end())
    await (await dial(t, server)).send(GET.replace('/', path)).response('GET')
    const find = (): (PerformanceEntry & { detail?: unknown }) | undefined => entries.find((entry) => (entry as { detail?: typeof detail }).detail?.req?.url === path)
    await until(() => find() !== undefined)
    const { entryType, name, duration, startTime } = find()!
    t.deepEqual([entryType, name], ['http', 'HttpRequest'])
    t.true(duration >= 0 && startTime > 0)
    return find()!.detail
  })
})
