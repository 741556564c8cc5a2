import { spawn } from 'node:child_process'
import test from 'ava'
import { dialPlain, until } from './support.ts'

const RUN = `
import { serve, Response } from '${new URL('../src/index.ts', import.meta.url).href}'
const onResponse = ({ request }) => {
  if (request?.getPath() === '/exit') setImmediate(() => process.exit(0))
}
const server = await serve('127.0.0.1:0', () => Response.text('hello'), { accessLog: process.env.FORMAT, onResponse, logger: null })
process.stderr.write(String(server.getServers()[0].getPort()))
`

/** Sends each text on a connection of its own to a server in a process of its own; returns what it has logged. */
async function logged(t: Parameters<typeof dialPlain>[0], format: string, ...requests: string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['--import=@oxc-node/core/register', '--input-type=module', '-e', RUN], {
    env: { ...process.env, FORMAT: format },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill())
  let [out, port] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (port += text))
  await until(() => port !== '' || child.exitCode !== null)
  for (const request of requests) {
    const wire = await dialPlain(t, { port: Number(port), host: '127.0.0.1' })
    await wire.send(request).end()
  }
  await until(() => out.split('\n').length > requests.length || child.exitCode !== null)
  return out.trimEnd().split('\n')
}

const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields, '\r\n'].join('\r\n')

test('combined: a line for each answer, in which no client can forge another', async (t) => {
  const lines = await logged(
    t,
    'combined',
    get('/a?b"c', 'Referer: "\\\u001b'.replace('\u001b', 'é'), 'User-Agent: curl/8'),
    'nonsense\r\n\r\n',
  )
  t.is(lines.length, 2)
  // On several I/O threads the ends of two answers may be reported in either order.
  lines.sort((one, other) => Number(one.includes('"-" 400 ')) - Number(other.includes('"-" 400 ')))
  const time = /\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\]/
  t.regex(lines[0]!, time)
  t.is(
    lines[0]!.replace(time, 'TIME'),
    '127.0.0.1 - - TIME "GET /a?b\\"c HTTP/1.1" 200 5 "\\"\\\\\\xC3\\xA9" "curl/8"',
  )
  // The address is unknown when the connection has closed before an I/O thread has reported the refusal.
  t.regex(lines[1]!.replace(time, 'TIME'), /^(127\.0\.0\.1|-) - - TIME "-" 400 \d+ "-" "-"$/)
})

test('json: an object in ASCII for each answer', async (t) => {
  const [line] = await logged(t, 'json', get('/a', 'User-Agent: é\u0085'))
  t.regex(line!, /^[ -~]+$/)
  const { time, duration, ...rest } = JSON.parse(line!) as Record<string, unknown>
  t.true(typeof time === 'string' && typeof duration === 'number')
  t.deepEqual(rest, {
    remoteAddress: '127.0.0.1',
    method: 'GET',
    target: '/a',
    protocolVersion: '1.1',
    referer: null,
    userAgent: 'é\u0085',
    status: 200,
    bytesSent: 5,
    outcome: 'sent',
  })
})

test('an exit writes the lines that wait', async (t) => {
  const lines = await logged(t, 'combined', get('/exit'))
  t.regex(lines[0]!, /"GET \/exit HTTP\/1\.1" 200 5/)
})
