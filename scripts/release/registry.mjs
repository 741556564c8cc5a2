// A registry on loopback that serves packed packages, so that package managers choose among the platform packages as
// they do for a user.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

/**
 * Starts it; gives its URL, and `close`. `packages` are those of `packAll`, and `others` manifests whose packages aren't
 * packed: they are listed, as they are in a registry, and can't be downloaded.
 */
export async function serveRegistry(packages, others = []) {
  const byName = new Map()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://registry').pathname).slice(1)
    const tarball = /^-\/tarballs\/(.+)\.tgz$/.exec(path)
    const found = byName.get(tarball === null ? path : tarball[1])
    if (found === undefined || (tarball !== null && found.bytes === null)) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
    } else if (tarball === null) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found.packument))
    } else {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.bytes)
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/`
  for (const { tarball, manifest } of [...packages, ...others.map((manifest) => ({ tarball: null, manifest }))]) {
    const bytes = tarball === null ? null : readFileSync(tarball)
    const { name, version } = manifest
    const hash = (algorithm, encoding) => createHash(algorithm).update(bytes ?? name).digest(encoding)
    const dist = {
      tarball: `${url}-/tarballs/${encodeURIComponent(name)}.tgz`,
      shasum: hash('sha1', 'hex'),
      integrity: `sha512-${hash('sha512', 'base64')}`,
    }
    // Some package managers wait for days before they take a new version; this one is old.
    const time = { created: '2020-01-01T00:00:00.000Z', modified: '2020-01-01T00:00:00.000Z', [version]: '2020-01-01T00:00:00.000Z' }
    const packument = { _id: name, name, 'dist-tags': { latest: version }, time, versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } } }
    byName.set(name, { bytes, packument })
  }
  return { url, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) }
}
