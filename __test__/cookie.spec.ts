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

const ODD: Record<string, string[]> = {
  'sid=abc; prefs={"a": 1}': ['sid=abc', 'prefs={"a": 1}'],
  'sid=abc; flag': ['sid=abc'],
  'flag; sid=abc': ['sid=abc'],
  '=nameless; sid=abc': ['sid=abc'],
  'sid=abc; list[0]=1,2': ['sid=abc', 'list[0]=1,2'],
  'sid=abc; b c=2': ['sid=abc', 'b c=2'],
  'sid=abc; back=\\; quote="': ['sid=abc', 'back=\\', 'quote="'],
  'sid=abc; latin=\xe9': ['sid=abc', 'latin=\xe9'],
  'sid=abc; eq=a=b=c': ['sid=abc', 'eq=a=b=c'],
  ';; sid=abc;': ['sid=abc'],
}
for (const [line, pairs] of Object.entries(ODD)) {
  test(`an odd pair hides none of the others: ${line}`, (t) => {
    t.deepEqual(RequestCookie.fromHeader(line).map(String), pairs)
    const request = Request.create('GET', '/', { cookie: line })
    t.is(request.getCookie('sid')?.getValue(), 'abc')
  })
}

const CHANGED: [string, string, string | null, string | null][] = [
  // field, name, value (null: removed), field afterwards
  ['a=1; prefs={"a": 1}; flag', 'a', null, 'prefs={"a": 1}; flag'],
  ['prefs={"a": 1};a=1 ; flag', 'a', null, 'prefs={"a": 1}; flag'],
  ['x="q" ;y= z;a=1', 'a', '2', 'x="q" ;y= z; a=2'],
  ['a=1; b=2; a=3', 'a', '4', 'a=4; b=2'],
  ['a=1; b=2; a=3', 'a', null, 'b=2'],
  ['b = 2', 'c', '3', 'b = 2; c=3'],
  ['flag', 'flag', null, 'flag'],
  ['a=1', 'a', null, null],
  ['', 'a', '1', 'a=1'],
]
for (const [field, name, value, after] of CHANGED) {
  test(`${value === null ? 'removing' : 'setting'} ${name} in "${field}" keeps the other pairs byte for byte`, (t) => {
    const request = Request.create('GET', '/', { cookie: field })
    if (value === null) request.removeCookie(name)
    else request.setCookie(new RequestCookie(name, value))
    t.is(request.getHeader('cookie'), after)
  })
}

test('cookies in several lines are changed in the line that has them', (t) => {
  const request = Request.create('GET', '/', [['cookie', 'a=1; flag'], ['cookie', 'b=2'], ['cookie', 'c=3']])
  request.setCookie(new RequestCookie('b', '4'))
  request.setCookie(new RequestCookie('d', '5'))
  request.removeCookie('c')
  t.deepEqual(request.getHeaderArray('cookie'), ['a=1; flag', 'b=4', 'd=5'])
})

test('a set-cookie line that can not be read stays, and goes when its cookie is set or removed', (t) => {
  const lines = ['odd=1; Expires=never', 'a=1; SameSite=Some', 'b=2; Path=/']
  const response = new Response(200, { 'set-cookie': lines })
  t.deepEqual(Object.keys(response.getCookies()), ['b'])
  response.setCookie(new ResponseCookie('a', '2'))
  t.deepEqual(response.getHeaderArray('set-cookie'), [lines[0], lines[2], 'a=2; HttpOnly'])
  response.removeCookie('odd')
  t.deepEqual(response.getHeaderArray('set-cookie'), [lines[2], 'a=2; HttpOnly'])
})

const REFUSED: [string, ConstructorParameters<typeof ResponseCookie>[2], RegExp][] = [
  ['a', { sameSite: 'None' }, /SameSite=None needs Secure/],
  ['a', { partitioned: true }, /Partitioned needs Secure/],
  ['__Secure-a', {}, /prefix needs Secure/],
  ['__secure-a', {}, /prefix needs Secure/],
  ['__Host-a', { path: '/' }, /prefix needs Secure/],
  ['__Host-a', { secure: true }, /needs the path \//],
  ['__Host-a', { secure: true, path: '/x' }, /needs the path \//],
  ['__HOST-a', { secure: true, path: '/', domain: 'example.org' }, /allows no domain/],
]
for (const [name, attributes, message] of REFUSED) {
  test(`${name} with ${JSON.stringify(attributes)} throws where it is made: browsers would drop it`, (t) => {
    t.throws(() => new ResponseCookie(name, '1', attributes), { instanceOf: InvalidCookieException, message })
    t.throws(() => new ResponseCookie(name, '1', CookieAttributes.from(attributes as object)), { message })
  })
}

test('no change of a cookie makes one that browsers would drop', (t) => {
  const host = new ResponseCookie('__Host-a', '1', { secure: true, path: '/' })
  const none = new ResponseCookie('a', '1', { secure: true, sameSite: 'None', partitioned: true })
  const plain = new ResponseCookie('a')
  const changes = [
    () => host.withoutSecure(),
    () => host.withoutPath(),
    () => host.withPath('/x'),
    () => host.withDomain('example.org'),
    () => none.withoutSecure(),
    () => plain.withSameSite('None'),
    () => plain.withPartitioned(),
    () => plain.withName('__Secure-a'),
    () => plain.withAttributes({ sameSite: 'None' }),
  ]
  for (const change of changes) t.throws(change, { instanceOf: InvalidCookieException, message: /^browsers drop the cookie / })
  t.is(ResponseCookie.fromHeader('__Host-a=1; Secure; Path=/x'), null)
  t.is(`${host}`, '__Host-a=1; Path=/; Secure; HttpOnly')
})

test('a response cookie takes its attributes as an object', (t) => {
  const expires = new Date(0)
  const all = { path: '/x', domain: 'example.org', maxAge: 0, expires, secure: true, sameSite: 'None', partitioned: true } as const
  t.is(
    `${new ResponseCookie('a', '1', all)}`,
    'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Domain=example.org; Path=/x; Secure; HttpOnly; SameSite=None; Partitioned',
  )
  t.is(`${new ResponseCookie('a', '1', {})}`, 'a=1; HttpOnly')
  t.is(`${new ResponseCookie('a', '1', { httpOnly: false, path: undefined })}`, 'a=1')
})

test('wrong attributes in an object throw, naming what is there', (t) => {
  const make = (attributes: unknown) => () => new ResponseCookie('a', '1', attributes as CookieAttributes)
  const wrong: [unknown, RegExp][] = [
    [{ maxage: 5 }, /"maxage" is no attribute of a cookie; there are domain, path, maxAge/],
    [{ secure: 'yes' }, /secure of a cookie must be true or false; got "yes"/],
    [{ httpOnly: 0 }, /httpOnly of a cookie must be true or false; got 0/],
    [{ maxAge: 1.5 }, /whole number of seconds/],
    [{ path: '/; Domain=evil.example' }, /path of a cookie/],
    [null, /must be CookieAttributes or an object; got null/],
    ['Path=/', /must be CookieAttributes or an object; got "Path=\/"/],
  ]
  for (const [attributes, message] of wrong) t.throws(make(attributes), { instanceOf: InvalidCookieException, message })
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
  for (const line of ['a b=1', 'a', 'a=1; Max-Age=x', 'a=1; Expires=never', 'a=1; SameSite=Some', 'a=1; SameSite=None', 'a=1; Path=\xe9', 'a=b c']) {
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
  t.is(request.getCookie('a')?.getValue(), '1')
  t.is(request.getCookie('__proto__'), null)
  request.setCookie(new RequestCookie('c', '4'))
  t.is(request.getHeader('cookie'), 'a=1; b=2; a=3; c=4')
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

test('each attribute can be read, set and removed, on a cookie and on attributes alone', (t) => {
  const expiry = new Date('2030-01-01T00:00:00Z')
  for (const bare of [new ResponseCookie('a', '1', CookieAttributes.empty()), CookieAttributes.empty()]) {
    const full = bare.withExpiry(expiry).withMaxAge(60).withPath('/a').withDomain('example.org').withSecure().withHttpOnly().withSameSite('Lax')
    t.deepEqual(full.getExpiry(), expiry)
    t.deepEqual([full.getMaxAge(), full.getPath(), full.getDomain(), full.isSecure(), full.isHttpOnly(), full.getSameSite()], [60, '/a', 'example.org', true, true, 'Lax'])
    const none = full.withoutExpiry().withoutMaxAge().withoutPath().withoutDomain().withoutSecure().withoutHttpOnly().withoutSameSite()
    t.is(String(none), String(bare))
    t.deepEqual([bare.getExpiry(), bare.getMaxAge(), bare.getDomain(), bare.isSecure(), bare.isHttpOnly(), bare.getSameSite()], [null, null, null, false, false, null])
  }
  const cookie = new ResponseCookie('a').withName('b').withValue('2').withAttributes(CookieAttributes.empty())
  t.is(`${cookie.getName()} ${cookie.getValue()} ${cookie.getAttributes()}`, 'b 2 ')
  const asked = new RequestCookie('a').withName('b').withValue('2')
  t.is(`${asked.getName()} ${asked.getValue()} ${asked}`, 'b 2 b=2')
})

/** Pseudo-random whole numbers below a bound, the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
