/**
 * The page that the command serves when no module is named: it shows the request and its client.
 */
import { escapeHtml } from './html.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'

/** The welcome page. All text from the client is escaped. */
export function welcome(request: Request): Response {
  const client = request.getClient()
  const facts: [string, string][] = [
    ['Client', String(client.getId())],
    ['Remote address', client.getRemoteAddress().toString()],
    ['Local address', client.getLocalAddress().toString()],
    ['Encrypted', client.isEncrypted() ? 'yes' : 'no'],
    ['Pending responses', String(client.getPendingResponseCount())],
    ['Expires', new Date(client.getExpirationTime() * 1000).toISOString()],
  ]
  return Response.html(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>busbar</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #222 }
  table { border-collapse: collapse; width: 100% } td { border-top: 1px solid #ddd; padding: .3rem .6rem; vertical-align: top }
  td:first-child { color: #666; white-space: nowrap } td { overflow-wrap: anywhere } h2 { margin-top: 2rem; font-size: 1.1rem }
</style>
<h1>busbar is running</h1>
<p>Name a module to serve your own handler: <code>busbar serve hello.mjs</code></p>
<h2>${escapeHtml(`${request.getMethod()} ${request.getTarget()} HTTP/${request.getProtocolVersion()}`)}</h2>
${table(request.getRawHeaders())}
<h2>Client</h2>
${table(facts)}
</html>
`)
}

function table(rows: readonly (readonly [string, string])[]): string {
  const cells = rows.map(([name, value]) => `<tr><td>${escapeHtml(name)}<td>${escapeHtml(value)}`)
  return `<table>\n${cells.join('\n')}\n</table>`
}
