/**
 * Responses of files, before they are sent: a 304 by the cached facts of the file, or what the opened file makes of them.
 */
import { answerWithFile, describeNotModified, knownUnmodified, notModifiedLines } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import type { Request } from './request.ts'
import { hasOwnFields, replaceLines } from './response.ts'
import type { Response } from './response.ts'

/** Makes the response a 304 if cached facts show that the client has the file; false when it stays unchanged. */
export function settleKnownFile(request: Request, response: Response): boolean {
  const body = response.getBody()
  if (!(body instanceof FileBody) || response.getStatus() !== 200) return false
  const isOwn = body.rules.headers !== undefined || hasOwnFields(response)
  const facts = knownUnmodified(request, isOwn ? response : null, body)
  if (facts === null) return false
  if (isOwn) describeNotModified(response, facts, body.rules)
  else replaceLines(response, 304, notModifiedLines(facts, body.rules))
  return true
}

/**
 * Opens the file of a response and sets its status and fields, as it is done otherwise when the response is sent. Rejects
 * with an `HttpErrorException` when the file is missing or a condition fails. Null when there is nothing to open.
 */
export function settleFile(request: Request, response: Response): Promise<void> | null {
  const body = response.getBody()
  if (!(body instanceof FileBody) || body.isAnswered || settleKnownFile(request, response)) return null
  // Whatever replaces the body or the response: the file is closed when the response is over.
  response.onDispose(() => body.cancel())
  return answerWithFile(request, response, body).catch((error: unknown) => {
    body.cancel()
    throw error
  })
}
