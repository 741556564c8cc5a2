import { InvalidHeaderException, OptionError, Push, Response } from '../src/index.ts'
import { answer } from './middleware-support.ts'
import { open, plainTest as test } from './support.ts'

test('pushes are link fields of the response, beside those of the application', async (t) => {
  const handler = (): Response => {
    const response = Response.text('hello')
    response.push('/style.css')
    response.setHeader('link', '</next>; rel=next')
    response.push('app.js')
    response.push('https://cdn.example/a.woff2?v=1')
    response.push('/api/data')
    return response
  }
  const expected = [
    '</next>; rel=next',
    '</style.css>; rel=preload; as=style',
    '<app.js>; rel=preload; as=script',
    '<https://cdn.example/a.woff2?v=1>; rel=preload; as=font; crossorigin',
    '</api/data>; rel=preload',
  ]
  const { port } = await open(t, handler)
  t.is((await fetch(`http://127.0.0.1:${port}/`)).headers.get('link'), expected.join(', '))
  t.deepEqual((await answer(handler)).getHeaderArray('link'), expected)
})

test('a streamed response has them, too', async (t) => {
  const { port } = await open(t, () => {
    const response = new Response(200, {}, (async function* () { yield 'a' })())
    response.push('/a.png')
    return response
  })
  t.is((await fetch(`http://127.0.0.1:${port}/`)).headers.get('link'), '</a.png>; rel=preload; as=image')
})

test('a later push of the same URL replaces the first', (t) => {
  const response = new Response(200)
  t.is(response.getPushes().size, 0)
  response.push('/a.css', { accept: 'text/css' })
  response.push('/a.css', { Accept: '*/*' })
  const push = response.getPushes().get('/a.css')
  t.true(push instanceof Push)
  t.is(push?.getUri(), '/a.css')
  t.is(push?.getHeader('accept'), '*/*')
  t.is(response.getPushes().size, 1)
  response.push(new URL('https://a.example/b'))
  t.is(response.getPushes().get('https://a.example/b')?.getUri(), 'https://a.example/b')
})

test('invalid URLs and fields are refused', (t) => {
  const response = new Response(200)
  for (const url of ['', 'http://', 'https://[']) t.throws(() => response.push(url), { instanceOf: OptionError }, url)
  t.throws(() => response.push('/a', { host: 'a.example' }), { instanceOf: InvalidHeaderException, message: /host/ })
  t.throws(() => response.push('/a', { ':path': '/' }), { instanceOf: InvalidHeaderException })
  t.is(response.getPushes().size, 0)
  // Nothing in a URL can end the link or the field.
  response.push('/a>; rel=next, <b')
  t.deepEqual([...response.getPushes().keys()], ['/a%3E;%20rel=next,%20%3Cb'])
})
