/**
 * The functions of Node's own modules that every server needs.
 *
 * An import of such a module reads all of its exports; for `node:fs` that loads streams and promises too, and
 * lengthens each start by 2 ms. `getBuiltinModule` reads only the exports named here.
 */
import type * as Hooks from 'node:async_hooks'

export const { AsyncResource } = process.getBuiltinModule('node:async_hooks')
export type AsyncResource = Hooks.AsyncResource
export const { close, constants, fstat, open, read, realpath, stat } = process.getBuiltinModule('node:fs')
export const { extname, resolve, sep } = process.getBuiltinModule('node:path')
export const { fileURLToPath } = process.getBuiltinModule('node:url')
