import test from 'ava'
import { CookieAttributes, InvalidCookieException, Request, RequestCookie, Response, ResponseCookie } from '../src/index.ts'
import { LAST_GET, open } from './support.ts'

test('a request cookie has the name and the value of its text', (t) => {
  const cookie = new RequestCookie('a', '1')
  t.is(`${cookie}`, 'a=1')
  t.is(`${cookie.withName('b').withValue('2')}`, 'b=2')
  t.is(`${cookie}`, 'a=1')
})

test('a cookie header is split at semicolons; spaces and quotes are removed', (t) => {
  t.deepEqual(RequestCookie.fromHeader('a=1; b = "2";;c=').map(String), ['a=1', 'b=2', 'c='])
})

test('one invalid pair discards the whole line', (t) => {
  t.deepEqual(RequestCookie.fromHeader('a=1; b c=2'), [])
  t.deepEqual(RequestCookie.fromHeader('a=1; b'), [])
  t.deepEqual(RequestCookie.fromHeader('a=1; b=2,3'), [])
})

for (const name of ['', 'a b', 'a;', 'a=', 'ä', 'a\n', '(a)']) {
  test(`${JSON.stringify(name)} is an invalid cookie name`, (t) => {
    t.throws(() => new RequestCookie(name), { instanceOf: InvalidCookieException, message: /no cookie name/ })
    t.throws(() => new ResponseCookie(name), { instanceOf: InvalidCookieException })
  })
}

for (const value of ['a b', 'a;b', 'a,b', 'a"b', 'a\\b', 'a\r\nset-cookie: b', 'ä', '\u{1f36a}']) {
  test(`${JSON.stringify(value)} is an invalid cookie value, and the message suggests an encoding`, (t) => {
    t.throws(() => new ResponseCookie('a', value), { instanceOf: InvalidCookieException, message: /encodeURIComponent/ })
  })
}

test('a response cookie has all attributes', (t) => {
  const cookie = new ResponseCookie('a', '1')
    .withExpiry(new Date(0))
    .withMaxAge(0)
    .withDomain('example.org')
    .withPath('/x')
    .withSecure()
    .withSameSite('Lax')
    .withPartitioned()
  const line =
    'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Domain=example.org; Path=/x; Secure; HttpOnly; SameSite=Lax; Partitioned'
  t.is(`${cookie}`, line)
  t.is(`${ResponseCookie.fromHeader(line)}`, line)
})

test('attributes can be removed', (t) => {
  const attributes = CookieAttributes.default().withExpiry(new Date()).withMaxAge(1).withDomain('a').withPath('/').withSecure()
  const none = attributes.withSameSite('None').withPartitioned().withoutExpiry().withoutMaxAge().withoutDomain()
  t.is(`${none.withoutPath().withoutSecure().withoutSameSite().withoutPartitioned().withoutHttpOnly()}`, '')
  t.is(`${CookieAttributes.empty()}`, '')
  t.is(`${CookieAttributes.default()}`, '; HttpOnly')
})

test('a change to a returned expiry leaves the cookie unchanged', (t) => {
  const expiry = new Date(0)
  const attributes = CookieAttributes.empty().withExpiry(expiry)
  expiry.setFullYear(2000)
  attributes.getExpiry()?.setFullYear(2000)
  t.is(attributes.getExpiry()?.getTime(), 0)
})

test('invalid attributes throw where they are set', (t) => {
  const attributes = CookieAttributes.empty()
  t.throws(() => attributes.withMaxAge(1.5), { instanceOf: InvalidCookieException, message: /whole number/ })
  t.throws(() => attributes.withExpiry(new Date(Number.NaN)), { instanceOf: InvalidCookieException, message: /valid Date/ })
  t.throws(() => attributes.withPath('/; Domain=evil.example'), { instanceOf: InvalidCookieException, message: /path/ })
  t.throws(() => attributes.withDomain('a\r\nb'), { instanceOf: InvalidCookieException, message: /domain/ })
  t.throws(() => attributes.withSameSite('lax' as 'Lax'), { instanceOf: InvalidCookieException, message: /Strict, Lax, None/ })
})

test('unknown attributes survive a round trip', (t) => {
  t.is(`${ResponseCookie.fromHeader('a=1; Priority=High; Path=/')}`, 'a=1; Path=/; Priority=High')
})

test('an invalid set-cookie line is no cookie', (t) => {
  for (const line of ['a b=1', 'a', 'a=1; Max-Age=x', 'a=1; Expires=never', 'a=1; SameSite=Some']) {
    t.is(ResponseCookie.fromHeader(line), null, line)
  }
})

test('every valid cookie survives a round trip', (t) => {
  const random = generator(20261124)
  const characters = Array.from({ length: 94 }, (_, at) => String.fromCharCode(0x21 + at))
  const text = (allowed: string[]): string => Array.from({ length: 1 + random(12) }, () => allowed[random(allowed.length)]).join('')
  const names = characters.filter((one) => /[\w!#$%&'*+\-.^`|~]/.test(one))
  const values = characters.filter((one) => !/[",;\\]/.test(one))
  for (let round = 0; round < 1000; round++) {
    const cookies = Array.from({ length: 1 + random(4) }, () => new RequestCookie(text(names), text(values)))
    t.deepEqual(RequestCookie.fromHeader(cookies.join('; ')).map(String), cookies.map(String))
    let attributes = random(2) === 0 ? CookieAttributes.empty() : CookieAttributes.default()
    if (random(2) === 0) attributes = attributes.withMaxAge(random(100_000) - 10)
    if (random(2) === 0) attributes = attributes.withExpiry(new Date(random(2 ** 31) * 1000))
    if (random(2) === 0) attributes = attributes.withPath(`/${text(values)}`)
    if (random(2) === 0) attributes = attributes.withSecure().withSameSite('None')
    const cookie = new ResponseCookie(text(names), text(values), attributes)
    t.is(`${ResponseCookie.fromHeader(`${cookie}`)}`, `${cookie}`)
  }
})

test('a change to the cookies of a request changes its field, and the other way round', (t) => {
  const request = Request.create('GET', '/', { cookie: 'a=1; b=2; a=3' })
  t.is(request.getCookie('a')?.getValue(), '3')
  t.is(request.getCookie('__proto__'), null)
  request.setCookie(new RequestCookie('c', '4'))
  t.is(request.getHeader('cookie'), 'a=3; b=2; c=4')
  request.setHeader('cookie', 'd=5')
  t.deepEqual(Object.keys(request.getCookies()), ['d'])
  request.removeCookie('d')
  t.false(request.hasHeader('cookie'))
})

test('a change to the cookies of a response changes its field, and the other way round', (t) => {
  const response = new Response(200, { 'set-cookie': ['a=1; Path=/', 'b=2'] })
  t.is(response.getCookie('a')?.getPath(), '/')
  response.setCookie(new ResponseCookie('a', '3'))
  t.deepEqual(response.getHeaderArray('set-cookie'), ['b=2', 'a=3; HttpOnly'])
  response.removeCookie('b')
  response.addHeader('set-cookie', 'c=4')
  t.deepEqual(Object.keys(response.getCookies()), ['a', 'c'])
})

test('each cookie is sent in a line of its own', async (t) => {
  const { connect } = await open(t, (request) => {
    const response = Response.text(request.getCookie('session')?.getValue() ?? 'none')
    response.setCookie(new ResponseCookie('a', '1'))
    response.setCookie(new ResponseCookie('b', '2').withoutHttpOnly())
    return response
  })
  const get = LAST_GET.replace('Host: a', 'Host: a\r\nCookie: x=1; session=abc')
  const received = await (await connect()).send(get).end()
  t.regex(received, /\r\nset-cookie: a=1; HttpOnly\r\nset-cookie: b=2\r\n[^]*\r\n\r\nabc$/)
})

/** Pseudo-random whole numbers below a bound, the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
