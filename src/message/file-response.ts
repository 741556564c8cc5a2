/**
 * Responses of files that clients have already, as far as that is known without a look at the file.
 */
import { describeNotModified, knownUnmodified, notModifiedLines } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import type { Request } from './request.ts'
import { hasOwnFields, replaceLines } from './response.ts'
import type { Response } from './response.ts'

/** Makes a response of a file a 304 where that is known to be right; false: it stays what it is. */
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
