import test from 'ava'
import { Response } from '../src/index.ts'
import { yielding } from './sources.ts'
import { GET, LAST_GET, open } from './support.ts'

const LONG = 'é'.repeat(2000)

/** Texts of which some follow themselves, and others don't. */
const TEXTS = ['a', 'a', 'b', 'b', '', '', 'b', 'é', 'é', 'e', LONG, 'e', LONG, LONG, `${LONG}!`, 'a', 'a', '\u{1f600}', '\u{1f600}', 'a\0b', 'a\0b', 'a']

/** Fields in an order of their own, with values that repeat. */
const FIELDS: readonly Record<string, string>[] = [
  { 'x-a': '1', 'x-b': '2' },
  { 'x-a': '1', 'x-b': '2' },
  { 'x-b': '2', 'x-a': '1' },
  { 'x-a': '1' },
  { 'X-A': '1', 'x-b': '3' },
  { 'x-b': '3', 'x-c': '1', 'x-a': '2' },
  { 'x-c': '1', 'x-a': '2', 'x-b': '3' },
  {},
  { 'x-a': '2', 'x-b': '3' },
]

/** Texts that aren't remembered, given between two that are alike. */
const BETWEEN: Record<string, () => Response> = {
  'a response without a body': () => new Response(204),
  bytes: () => new Response(200, {}, Buffer.from('bytes')),
  'a stream': () => new Response(200, {}, yielding('one', 'two')),
  'a response whose length was declared': () => new Response(200, { 'content-length': '3' }, 'abc'),
}

test('each response has its own text, whatever the one before it had', async (t) => {
  const { connect } = await open(t, (request) => new Response(200, {}, TEXTS[Number(request.getTarget().slice(1))]!))
  const wire = await connect()
  for (const [at, text] of TEXTS.entries()) {
    const wanted = Buffer.from(text).toString('latin1')
    wire.received = ''
    wire.send(GET.replace('/', `/${at}`))
    const received = await wire.until((all) => all.includes('\r\n\r\n') && all.length - all.indexOf('\r\n\r\n') - 4 >= wanted.length)
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), wanted, `text ${at}`)
    t.regex(received, new RegExp(`content-length: ${wanted.length}\\r\\n`))
  }
})

test('each response has its own fields in their order, whatever the one before it had', async (t) => {
  const { connect } = await open(t, (request) => new Response(200, FIELDS[Number(request.getTarget().slice(1))]!, 'ok'))
  const wire = await connect()
  for (const round of [0, 1]) {
    for (const [at, fields] of FIELDS.entries()) {
      wire.received = ''
      wire.send(GET.replace('/', `/${at}`))
      const received = await wire.until((all) => all.endsWith('\r\n\r\nok'))
      const lines = received.split('\r\n').filter((line) => /^x-/i.test(line))
      t.deepEqual(lines.map((line) => line.toLowerCase()), Object.entries(fields).map(([name, value]) => `${name}: ${value}`.toLowerCase()), `round ${round}, ${at}`)
    }
  }
})

for (const [what, make] of Object.entries(BETWEEN)) {
  test(`a text is the same behind ${what}`, async (t) => {
    let calls = 0
    const { connect } = await open(t, () => (calls++ % 2 === 0 ? Response.text('same') : make()))
    const wire = await connect()
    for (let at = 0; at < 5; at++) {
      wire.received = ''
      await wire.send(GET).until((all) => all.endsWith('\r\n\r\nsame') || (at % 2 === 1 && /\r\n\r\n(.*)$/s.test(all)))
      if (at % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 50))
      else t.true(wire.received.endsWith('\r\n\r\nsame'))
    }
    t.true((await wire.send(LAST_GET).end()).startsWith('HTTP/1.1 2'))
  })
}

test('a pipeline of responses with the same text and others', async (t) => {
  let calls = 0
  const texts = ['same', 'same', 'other', 'same', 'same']
  const { connect } = await open(t, () => Response.text(texts[calls++]!))
  const received = await (await connect()).send(GET.repeat(4) + LAST_GET).end()
  t.deepEqual(received.match(/same|other/g), texts)
})
