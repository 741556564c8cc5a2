// A reporter for node:test: a line of JSON for each test.
import { relative } from 'node:path'
import { inspect } from 'node:util'
import { appendFileSync } from 'node:fs'

export default async function* reporter(events) {
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue
    const isSkipped = data.skip !== undefined || data.todo !== undefined
    const result = isSkipped ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed'
    const name = `${data.file === undefined ? '' : relative(process.cwd(), data.file)}: ${data.name}`
    appendFileSync(process.env.COMPAT_RESULTS, `${JSON.stringify({ name, result })}\n`)
    if (result === 'failed') yield `failed: ${name}: ${inspect(data.details?.error)}\n`
  }
}
