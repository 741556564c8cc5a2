import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const clustered = (...args: string[]): Promise<string[]> => ran('cluster', args)

async function ran(name: string, args: string[]): Promise<string[]> {
  const file = fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=@oxc-node/core/register', file, ...args], { timeout: 60_000 })
  return stdout.trim().split('\n')
}

const linux = process.platform === 'linux' ? test : test.skip

linux('two cluster workers serve one port, the primary process hears of both, and a disconnect stops them', async (t) => {
  const [line, end] = await clustered()
  const { port, heard, answered } = JSON.parse(line!) as { port: number; heard: object[]; answered: boolean }
  for (const each of heard) t.like(each, { port, address: '127.0.0.1', addressType: 4 })
  t.is(heard.length, 2)
  t.true(answered)
  t.is(end, 'stopped')
})

for (const [listen, why] of [
  ['127.0.0.1:0', /StateError: a worker of node:cluster can't listen on 127\.0\.0\.1:0: each worker would get another port/],
  ['unix:/tmp/busbar-cluster.sock', /StateError: a worker of node:cluster can't listen on unix:.*: processes can't share a unix socket/],
] as const) {
  test(`a cluster worker can't listen on ${listen}, and says why`, async (t) => {
    const [line] = await clustered(listen)
    for (const { error } of JSON.parse(line!) as { error: string }[]) t.regex(error, why)
  })
}

for (const who of ['primary', 'worker', 'leaving primary']) {
  for (const kind of ['node', 'busbar']) {
    linux(`a worker with a server of ${kind}:http ends when the ${who} disconnects it, and answers what it has taken`, async (t) => {
      t.deepEqual(await ran('node-cluster', [kind, who]), ['idle connection closed', 'answered: late', 'refused'])
    })
  }
}
