/**
 * The versions of what is linked in.
 */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { versions } from '../src/index.ts'

const lock = readFileSync(new URL('../Cargo.lock', import.meta.url), 'utf8')

/** The version of a crate, as cargo has locked it. */
function locked(name: string): string {
  return new RegExp(`name = "${name}"\\nversion = "([^"]+)"`).exec(lock)![1]!
}

test('the versions are those of the libraries that cargo has locked', (t) => {
  t.is(versions.rustls, locked('rustls'))
  t.true([`aws-lc-rs ${locked('aws-lc-rs')}`, `ring ${locked('ring')}`].includes(versions.crypto), versions.crypto)
  t.is(versions.nghttp2, locked('libnghttp2-sys').split('+')[1]!)
  t.regex(versions.llhttp, /^9\.\d+\.\d+$/)
})

test('the versions can\'t be changed', (t) => {
  t.deepEqual(Object.keys(versions).toSorted(), ['crypto', 'llhttp', 'nghttp2', 'rustls'])
  t.throws(() => Object.assign(versions, { llhttp: '0.0.0' }), { instanceOf: TypeError })
})
