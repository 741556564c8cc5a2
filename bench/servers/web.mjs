// Applications of the web's Request and Response: web.mjs web PLATFORM [ioThreads], where the platform is one of those below.
const [, platform, ioThreads = '0'] = process.argv.slice(2)
const HELLO = ['Hello, World!', { headers: { 'content-type': 'text/plain' } }]

async function hono() {
  const { Hono } = await import('hono')
  return new Hono().get('/', (c) => c.text('Hello, World!')).fetch
}

async function onBusbar(fetch) {
  const { serve } = await import('../../dist/fetch.js')
  const server = await serve({ fetch, port: 0, hostname: '127.0.0.1', ioThreads: Number(ioThreads) })
  return server.getServers()[0].getPort()
}

const platforms = {
  fetch: () => onBusbar(() => new Response(...HELLO)),
  hono: async () => onBusbar(await hono()),
  async 'hono-node-server'() {
    const { serve } = await import('@hono/node-server')
    const fetch = await hono()
    return new Promise((resolve) => serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port)))
  },
  'hono-bun': async () => Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: await hono() }).port,
}

console.log(await platforms[platform]())
