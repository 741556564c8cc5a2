/**
 * The functions of Node's own modules that every server needs.
 *
 * An import of such a module reads all of its exports; for `node:fs` that loads streams and promises too, and
 * lengthens each start by 2 ms. `getBuiltinModule` reads only the exports named here.
 */
import type * as Hooks from 'node:async_hooks'

export const { AsyncResource, executionAsyncId } = process.getBuiltinModule('node:async_hooks')
export type AsyncResource = Hooks.AsyncResource
const fs = process.getBuiltinModule('node:fs')
export const { close, constants, fstat, open, read, stat } = fs
/** The system's own, which takes one call where JavaScript's takes one for each directory. */
export const { native: realpath } = fs.realpath
export const { extname, resolve, sep } = process.getBuiltinModule('node:path')
export const { fileURLToPath } = process.getBuiltinModule('node:url')
