/**
 * Responses of files that are a 304 by the cached facts of the file.
 */
import { describeNotModified, knownUnmodified, notModifiedLines } from '../body/file-answer.ts'
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
