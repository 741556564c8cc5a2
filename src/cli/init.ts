/**
 * `busbar init`: a small project in TypeScript that runs, tests and builds an image for Docker.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { projectFiles } from './project-files.ts'

/** Why a project can't be made there: the user's to mend. */
export class InitError extends Error {}

/**
 * Makes the project in a directory that is empty or doesn't exist yet, and gives the lines that tell how to go on.
 * Nothing is overwritten.
 */
export async function init(directory: string, version: string): Promise<readonly string[]> {
  const target = resolve(directory)
  const present = await entriesOf(target)
  if (present.length > 0) {
    const some = present.slice(0, 3).join(', ') + (present.length > 3 ? ', …' : '')
    throw new InitError(`${target} isn't empty (${some}); name a new directory: busbar init my-app`)
  }
  const files = projectFiles(packageName(basename(target)), version)
  for (const [path, content] of Object.entries(files)) {
    const file = join(target, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content, { flag: 'wx' })
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const old = major > 22 || (major === 22 && minor >= 18) ? [] : [`it needs Node 22.18 or newer, which reads TypeScript itself; this is ${process.version}`]
  const enter = target === process.cwd() ? [] : [`  cd ${directory}`]
  return [
    `made ${Object.keys(files).length} files in ${target}`,
    ...old,
    ...enter,
    '  npm install',
    '  npm run dev       serves src/app.ts, and again after each change',
    '  npm test          runs src/app.test.ts, without a port',
  ]
}

/** What is in a directory; nothing where there is none. A repository that was just made counts as empty. */
async function entriesOf(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => name !== '.git')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') throw new InitError(`${directory} is a file; name a new directory: busbar init my-app`)
    throw new InitError(`${directory} can't be read (${code})`)
  }
}

/** A name that npm takes, of the directory's. */
function packageName(directory: string): string {
  const name = directory.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-').replaceAll(/^[._-]+|-+$/g, '')
  return name === '' ? 'app' : name
}
