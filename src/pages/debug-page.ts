/**
 * The error page of debug mode, for clients on this machine only: HTML, or JSON or plain text for clients that prefer it.
 */
import type { Client } from '../connection/client.ts'
import { preferredForm } from '../http/accept.ts'
import { reasonPhrase } from '../http/status.ts'
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
  const form = preferredForm(request.getHeaderLine('accept'))
  if (form === 'json') return Response.json({ status: 500, title: reasonPhrase(500), error: title, stack: stack.split('\n') }, 500)
  if (form === 'text') return Response.text(`${title}\n\n${stack}\n`, 500)
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
