/**
 * The error page of debug mode, for clients on this machine only.
 */
import type { Client } from '../connection/client.ts'
import { escapeHtml } from './html.ts'
import { describe } from '../core/logger.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { isLoopback } from '../net/socket-address.ts'

/** A 500 with the stack of the error; null for clients on other machines. All text is escaped. */
export function debugPage(error: unknown, request: Request, client: Client): Response | null {
  if (!isLoopback(client.getRemoteAddress())) return null
  const isError = error instanceof Error
  // `name` and `message` of a thrown error may have any type.
  const title = isError ? `${String(error.name)}: ${String(error.message)}` : 'a value that is no Error was thrown'
  const stack = isError ? describe(error) : ''
  return Response.html(
    `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>500 Internal Server Error</title>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(`${request.getMethod()} ${request.getTarget()}`)}</p>
<pre>${escapeHtml(stack)}</pre>
</html>
`,
    500,
  )
}
