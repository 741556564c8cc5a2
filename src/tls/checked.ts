/**
 * Errors of the engine about TLS, as users see them.
 */
import { TlsError } from '../core/errors.ts'
import type { TlsErrorCode } from '../core/errors.ts'

/** Runs what the engine checks; its errors begin with their code. */
export function checked<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const [, code, text] = /^(BUSBAR_\w+): ([^]*)$/.exec(message) ?? []
    if (code === undefined) throw error
    throw new TlsError(code as TlsErrorCode, text ?? '')
  }
}
