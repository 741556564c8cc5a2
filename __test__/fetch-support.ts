/**
 * Openers for the specs of web-standard applications.
 */
import type { ExecutionContext } from 'ava'
import { fromFetch } from '../src/fetch/index.ts'
import type { FetchFunction, ServerSettings } from '../src/index.ts'
import { open } from './support.ts'

/** A server of an application, and requests to it. */
export async function app(t: ExecutionContext, fetch: FetchFunction, settings: ServerSettings = {}) {
  const opened = await open(t, fromFetch(fetch), settings, '127.0.0.1:0')
  const url = opened.server.url.slice(0, -1)
  return { ...opened, url, get: (path: string, init?: RequestInit) => globalThis.fetch(url + path, init) }
}
