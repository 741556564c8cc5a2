// Makes the folders that are published, and packs them. Only here are the platform packages written into a manifest as
// `optionalDependencies`: a clone has none, so it uses the binary that it has built.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NPM, manifest, root, targets } from '../targets.mjs'

const [npm, ...npmArguments] = NPM
const rootPath = fileURLToPath(root)

/** Fields of the clone's manifest that users of the package have a use for. */
const FIELDS = [
  'name', 'version', 'description', 'keywords', 'homepage', 'bugs', 'repository', 'license', 'type', 'engines', 'main', 'types', 'exports', 'bin',
  'peerDependencies', 'peerDependenciesMeta',
]
const SHARED = ['version', 'homepage', 'bugs', 'repository', 'license', 'engines']

function pick(from, names) {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]))
}

/** The manifest of the main package. */
export function mainManifest() {
  const source = manifest()
  const optionalDependencies = Object.fromEntries(targets().map((target) => [target.package, source.version]))
  // Under Yarn's Plug'n'Play, `require` of an ES module can't read from its zip files.
  return { ...pick(source, FIELDS), optionalDependencies, preferUnplugged: true }
}

/** The manifest of the package with the binary for one target. */
export function platformManifest(target) {
  const { name, os, cpu, libc, file } = target
  return {
    name: target.package,
    description: `The binary of busbar for ${name}.`,
    ...pick(manifest(), SHARED),
    main: file,
    files: [file, 'NOTICE'],
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    // Yarn's Plug'n'Play runs packages from zip files, which no system can load a library from.
    preferUnplugged: true,
  }
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}

/** The files of the clone that are published, by `files` in its manifest, without the binary built here. */
function publishedFiles() {
  const listed = execFileSync(npm, [...npmArguments, 'pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: rootPath, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const paths = JSON.parse(listed)[0].files.map(({ path }) => path.replaceAll('\\', '/'))
  const declarations = publicDeclarations()
  return paths.filter((path) => path !== 'package.json' && !path.endsWith('.node') && (!path.endsWith('.d.ts') || declarations.has(path)))
}

/** The declarations that the entry points name, directly or by others. */
function publicDeclarations() {
  const entries = Object.values(manifest().exports).map((entry) => entry.types ?? entry.import?.types)
  const wanted = entries.filter((path) => path !== undefined).map((path) => path.replace('./', ''))
  const found = new Set()
  for (let path; (path = wanted.pop()) !== undefined; ) {
    if (found.has(path) || !existsSync(new URL(path, root))) continue
    found.add(path)
    for (const [, target] of readFileSync(new URL(path, root), 'utf8').matchAll(/(?:from |import\(|import )['"](\.{1,2}\/[^'"]+)['"]/g)) {
      wanted.push(join(dirname(path), target).replaceAll('\\', '/').replace(/\.[jt]s$/, '.d.ts').replace(/\.d\.d\.ts$/, '.d.ts'))
    }
  }
  return found
}

/**
 * Where the binary for a target is: in `directories`, each with the binaries themselves, or with a folder for each; null
 * when it is in none.
 */
export function findBinary(target, directories) {
  const places = directories.flatMap((directory) => [join(directory, target.file), join(directory, target.name, target.file)])
  return places.find((path) => existsSync(path)) ?? null
}

/** Writes the folder of the main package. */
export function stageMain(directory) {
  rmSync(directory, { recursive: true, force: true })
  for (const path of publishedFiles()) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    cpSync(join(rootPath, path), join(directory, path))
  }
  writeJson(join(directory, 'package.json'), mainManifest())
}

/** Writes the folder of the package for one target. */
export function stagePlatform(target, binary, directory) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  cpSync(binary, join(directory, target.file))
  cpSync(join(rootPath, 'LICENSE'), join(directory, 'LICENSE'))
  const notices = ['NOTICE', 'crates/NOTICE'].map((file) => readFileSync(join(rootPath, file), 'utf8'))
  writeFileSync(join(directory, 'NOTICE'), notices.join('\n'))
  writeFileSync(
    join(directory, 'README.md'),
    `# ${target.package}\n\nThe binary of [busbar](${manifest().homepage}) for ${target.triple}. Installing \`busbar\` installs it where it fits.\n`,
  )
  writeJson(join(directory, 'package.json'), platformManifest(target))
}

/** Packs a folder; gives the path of the tarball. */
export function pack(directory, destination) {
  mkdirSync(destination, { recursive: true })
  const told = execFileSync(npm, [...npmArguments, 'pack', '--ignore-scripts', '--json', '--pack-destination', destination], {
    cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
  })
  return join(destination, JSON.parse(told)[0].filename.replace('@', '').replace('/', '-'))
}

/**
 * Stages and packs the main package and the platform packages whose binaries are in `directories`. Gives the packages,
 * `{ name, target, directory, tarball, manifest }` with the main package last, and the targets without a binary.
 */
export function packAll(destination, directories = [rootPath]) {
  const packages = []
  const missing = []
  for (const target of targets()) {
    const binary = findBinary(target, directories)
    if (binary === null) {
      missing.push(target)
      continue
    }
    const directory = join(destination, 'staged', target.name)
    stagePlatform(target, binary, directory)
    const isBuiltHere = dirname(binary) === dirname(join(rootPath, 'package.json'))
    packages.push({ name: target.package, target, directory, tarball: pack(directory, destination), manifest: platformManifest(target), isBuiltHere })
  }
  const directory = join(destination, 'staged', 'busbar')
  stageMain(directory)
  packages.push({ name: 'busbar', target: null, directory, tarball: pack(directory, destination), manifest: mainManifest() })
  return { packages, missing }
}
