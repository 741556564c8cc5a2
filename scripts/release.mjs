// Packs, checks and publishes a release: the main package with JavaScript alone, and a package with the binary for each
// system (`napi.targets` in package.json).
//
// Usage: node scripts/release.mjs --dry-run    builds, packs, checks, installs with each package manager that is there
//        node scripts/release.mjs --publish    the same with all binaries, and publishes; platform packages first
//        node scripts/release.mjs --pack DIR   packs into DIR what is built, and prints the tarballs
//
//   --binaries DIR   where the binaries of other systems are (target/cross, where `npm run cross` puts them)
//   --runtimes DIR   where npm has installed other runtimes and package managers (target/runtimes)
//   --all            a missing binary is an error
//   --no-build       takes what is built already
//   --no-install     packs and checks alone
import { spawnSync } from 'node:child_process'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { binaryFaults, mainFaults, versionFaults } from './release/checks.mjs'
import { MANAGERS, findTools, installEverywhere } from './release/install.mjs'
import { serveRegistry } from './release/registry.mjs'
import { billOfMaterials } from './release/sbom.mjs'
import { packAll, platformManifest } from './release/stage.mjs'
import { manifest, root, targets, thisTarget } from './targets.mjs'

const rootPath = fileURLToPath(root)
const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean' }, publish: { type: 'boolean' }, pack: { type: 'string' },
    binaries: { type: 'string', default: join(rootPath, 'target/cross') },
    runtimes: { type: 'string', default: join(rootPath, 'target/runtimes') },
    all: { type: 'boolean' }, 'no-build': { type: 'boolean' }, 'no-install': { type: 'boolean' },
  },
})

let failures = 0
function tell(isOk, text) {
  if (!isOk) failures += 1
  console.log(`${isOk ? 'ok  ' : 'FAIL'} ${text}`)
}

function kilobytes(path) {
  return `${Math.round(statSync(path).size / 1000)} KB`
}

/** Runs a program to its end with what it prints; ends this one when it fails. */
function mustRun(command, args, cwd = rootPath) {
  if (spawnSync(command, args, { cwd, stdio: 'inherit' }).status === 0) return
  console.error(`release: ${command} ${args.join(' ')} failed`)
  process.exit(1)
}

if (values.pack !== undefined) {
  const { packages } = packAll(resolve(values.pack), [rootPath])
  for (const { tarball } of packages) console.log(tarball)
  process.exit(0)
}
if (values['dry-run'] !== true && values.publish !== true) {
  console.error('release: say --dry-run, --publish or --pack DIR')
  process.exit(1)
}

if (values['no-build'] !== true) mustRun(process.execPath, ['scripts/build.mjs'])
const destination = join(rootPath, 'target/release-packages')
rmSync(destination, { recursive: true, force: true })
const { packages, missing } = packAll(destination, [resolve(values.binaries), rootPath])

for (const { target, tarball, directory, isBuiltHere } of packages) {
  const found = target === null ? [] : [...binaryFaults(target, join(directory, target.file))]
  // A build for this machine alone may need its glibc; `npm run cross` and the release workflow build for older ones.
  if (isBuiltHere && values.publish !== true && found.length === 1 && found[0].includes('needs glibc')) console.log(`note ${found.pop()}`)
  for (const fault of found) tell(false, fault)
  if (found.length === 0) tell(true, `${relative(rootPath, tarball)}, ${kilobytes(tarball)} packed${target === null ? '' : `, the binary ${kilobytes(join(directory, target.file))}`}`)
}
const needsAll = values.publish === true || values.all === true
for (const target of missing) tell(!needsAll, `${target.package}: its binary isn't there${needsAll ? '' : ', so it isn\'t packed'}`)
const { version } = manifest()
for (const fault of [...versionFaults(version), ...mainFaults(packages.at(-1))]) tell(false, fault)
if (failures === 0) tell(true, `publint, attw, versions; ${packages.length - 1} of ${targets().length} binaries`)
const bom = await billOfMaterials()
writeFileSync(join(destination, 'busbar.cdx.json'), `${JSON.stringify(bom, null, 2)}\n`)
tell(true, `the bill of materials, busbar.cdx.json, with ${bom.components.length} parts`)

if (values['no-install'] !== true) {
  if (thisTarget() === undefined) tell(false, 'there is no binary for this machine')
  const registry = await serveRegistry(packages, missing.map(platformManifest))
  const tools = findTools(values.runtimes)
  // Deno doesn't compare `libc`, and fetches the packages for all.
  const other = missing.find(({ os, cpu }) => os === process.platform && cpu === process.arch)
  if (other !== undefined) tell(true, `deno: left out, it fetches ${other.package} as well`)
  const managers = Object.keys(MANAGERS).filter((name) => name !== 'deno' || other === undefined)
  await installEverywhere(registry.url, tools, tell, managers)
  await registry.close()
}
if (failures > 0) {
  console.error(`release: ${failures} failed`)
  process.exit(1)
}

if (values.publish === true) {
  for (const { name, directory } of packages) {
    // A release that was interrupted continues where it ended.
    const { stdout } = spawnSync('npm', ['view', `${name}@${version}`, 'version'], { encoding: 'utf8' })
    if (stdout.trim() === version) console.log(`${name}@${version} is published already`)
    else mustRun('npm', ['publish', '--ignore-scripts', '--access', 'public', '--provenance'], directory)
  }
}
