/**
 * busbar/static: the files of a directory.
 */
export { DocumentRoot } from './document-root.ts'
export type { DocumentRootSettings } from './document-root.ts'
