/**
 * What every server needs of Node's own modules.
 *
 * Importing one builds a module around it that reads all it exports: of `node:fs` that loads the streams and
 * promises as well, 2 ms of every start. What is taken here is there already.
 */
import type * as Hooks from 'node:async_hooks'

export const { AsyncResource } = process.getBuiltinModule('node:async_hooks')
export type AsyncResource = Hooks.AsyncResource
export const { close, constants, fstat, open, read, realpath, stat } = process.getBuiltinModule('node:fs')
export const { totalmem } = process.getBuiltinModule('node:os')
export const { extname, resolve, sep } = process.getBuiltinModule('node:path')
export const { fileURLToPath } = process.getBuiltinModule('node:url')
