import test from 'ava'
import { MovedResourceHandler, OptionError, RedirectHandler, Request, redirectTo } from '../src/index.ts'

const to = (handler: RedirectHandler | MovedResourceHandler, target: string): string | null =>
  handler.handleRequest(Request.create('GET', target)).getHeader('location')

test('redirectTo answers with a 303, or the status that is given', (t) => {
  const response = redirectTo('/login')
  t.is(response.getStatus(), 303)
  t.is(response.getHeader('location'), '/login')
  t.is(redirectTo(new URL('https://example.org/a'), 301).getHeader('location'), 'https://example.org/a')
  for (const status of [200, 299, 400, 307.5]) t.throws(() => redirectTo('/', status), { instanceOf: OptionError })
})

test('RedirectHandler keeps path and query below its prefix', (t) => {
  const host = new RedirectHandler('https://example.org')
  t.is(to(host, '/a/b?c=d&e'), 'https://example.org/a/b?c=d&e')
  t.is(to(host, '/'), 'https://example.org/')
  t.is(to(host, '/a?'), 'https://example.org/a?')
  t.is(to(new RedirectHandler('https://example.org/'), '/a'), 'https://example.org/a')
  t.is(to(new RedirectHandler('/v2/'), '/a?b'), '/v2/a?b')
  t.is(to(new RedirectHandler(new URL('https://example.org/x')), '/a%20b'), 'https://example.org/x/a%20b')
  t.is(to(host, '*'), 'https://example.org/')
})

test('RedirectHandler has status 307 unless another is given', (t) => {
  const request = Request.create('POST', '/a')
  t.is(new RedirectHandler('/b').handleRequest(request).getStatus(), 307)
  t.is(new RedirectHandler('/b', 301).handleRequest(request).getStatus(), 301)
})

test('no path of a client names another host', (t) => {
  t.is(to(new RedirectHandler('/'), '//evil.example/a'), '/evil.example/a')
  t.is(to(new RedirectHandler('/'), '/\\evil.example'), '/evil.example')
  t.is(to(new RedirectHandler('https://example.org'), '//evil.example'), 'https://example.org//evil.example')
  t.is(to(new RedirectHandler('https://example.org/app'), '/../admin'), 'https://example.org/app/admin')
})

test('MovedResourceHandler redirects to one place and keeps the query', (t) => {
  const moved = new MovedResourceHandler('/new')
  t.is(to(moved, '/old?page=2'), '/new?page=2')
  t.is(to(moved, '/old'), '/new')
  t.is(to(new MovedResourceHandler('https://example.org/new'), '/old?a'), 'https://example.org/new?a')
  t.is(moved.handleRequest(Request.create('GET', '/old')).getStatus(), 308)
  t.is(new MovedResourceHandler('/new', 302).handleRequest(Request.create('GET', '/old')).getStatus(), 302)
})

for (const Handler of [RedirectHandler, MovedResourceHandler]) {
  test(`${Handler.name} refuses what is no place and no redirect`, (t) => {
    for (const uri of ['', 'a', '?a', '/a?b', '/a#b', 'https://', 'https://example.org/?a', '//evil.example', 'https://a b']) {
      t.throws(() => new Handler(uri), { instanceOf: OptionError }, uri)
    }
    for (const status of [200, 299, 400, Number.NaN, 301.5]) t.throws(() => new Handler('/a', status), { instanceOf: OptionError })
  })
}
