// The bill of materials of a release, in CycloneDX 1.5: the crates and the C sources that are linked into the binaries of
// all systems, and the packages that are bundled into dist.
import { readFileSync } from 'node:fs'
import { linkedCrates } from '../crates.mjs'
import { LIBRARIES, manifest, root } from '../targets.mjs'

const read = (path) => readFileSync(new URL(path, root), 'utf8')
const licensesOf = (license) => (license === undefined || license === null ? undefined : [{ expression: license.replaceAll('/', ' OR ') }])

/** Crates with the checksums that Cargo.lock has of them. */
function crates() {
  const sums = new Map([...read('Cargo.lock').matchAll(/name = "(.+)"\nversion = "(.+)"\nsource = .+\nchecksum = "(.+)"/g)].map(([, ...each]) => [each.slice(0, 2).join('@'), each[2]]))
  return linkedCrates().map(({ name, version, license }) => ({
    type: 'library',
    'bom-ref': `pkg:cargo/${name}@${version}`,
    name, version, purl: `pkg:cargo/${name}@${version}`,
    licenses: licensesOf(license),
    hashes: [{ alg: 'SHA-256', content: sums.get(`${name}@${version}`) }],
  }))
}

/** C libraries that are compiled in: what `busbar.versions` says of them. */
async function sources() {
  const { versions } = await import(new URL('dist/index.js', root).href)
  return ['llhttp', 'nghttp2'].map((name) => ({
    type: 'library', 'bom-ref': `pkg:generic/${name}@${versions[name]}`, name, version: versions[name],
    purl: `pkg:generic/${name}@${versions[name]}`, licenses: licensesOf('MIT'),
  }))
}

/** Bundled packages, and what they use. */
function bundled() {
  const { packages } = JSON.parse(read('package-lock.json'))
  const names = new Set(Object.keys(LIBRARIES))
  for (const name of names) for (const used of Object.keys(packages[`node_modules/${name}`].dependencies ?? {})) names.add(used)
  return [...names].toSorted().map((name) => {
    const { version, license, integrity } = packages[`node_modules/${name}`]
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    const content = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
    return { type: 'library', 'bom-ref': purl, name, version, purl, licenses: licensesOf(license), hashes: [{ alg: 'SHA-512', content }] }
  })
}

/** The document. */
export async function billOfMaterials() {
  const { name, version, license } = manifest()
  const purl = `pkg:npm/${name}@${version}`
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'library', 'bom-ref': purl, name, version, purl, licenses: licensesOf(license) } },
    components: [...crates(), ...(await sources()), ...bundled()],
  }
}
