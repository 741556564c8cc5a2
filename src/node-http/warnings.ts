/**
 * Warnings about what Node serves in our place, each once.
 */

const told = new Set<string>()

/** Warns of something that is done in another way than asked for; the same warning only once. */
export function warnOnce(message: string): void {
  if (told.has(message)) return
  told.add(message)
  process.emitWarning(message, 'BusbarWarning')
}
