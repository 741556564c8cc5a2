/**
 * Replaces `Response` of the platform, so that applications make responses that cost little, and where it is needed
 * `Request` and `fetch`, so that they take the requests of a server.
 *
 * Each is a function with the prototype of what it replaces: `instanceof` holds for objects of both kinds, and classes
 * can extend it.
 */
import { FetchRequest, nativeRequestOf } from './fetch-request.ts'
import { FetchResponse } from './fetch-response.ts'
import { NativeRequest, NativeResponse, REQUEST_STATE } from './platform.ts'

type Constructor = abstract new (...values: never[]) => object

function responses(): unknown {
  function Response(this: unknown, body?: BodyInit | null, init?: ResponseInit): object {
    if (new.target === Response) return new FetchResponse(body, init)
    if (new.target === undefined) throw new TypeError("Class constructor Response cannot be invoked without 'new'")
    return Reflect.construct(NativeResponse, [body, init], new.target) as object
  }
  const json = (data: unknown, init?: ResponseInit): FetchResponse => FetchResponse.json(data, init)
  const redirect = (url: string | URL, status?: number): FetchResponse => FetchResponse.redirect(url, status)
  return standIn(Response, NativeResponse, { json, redirect })
}

function requests(): unknown {
  function Request(this: unknown, input: RequestInfo | URL, init?: RequestInit): object {
    if (new.target === undefined) throw new TypeError("Class constructor Request cannot be invoked without 'new'")
    const target = new.target === Request ? NativeRequest : new.target
    return Reflect.construct(NativeRequest, init === undefined ? [unwrapped(input)] : [unwrapped(input), init], target) as object
  }
  return standIn(Request, NativeRequest, {})
}

function unwrapped(input: unknown): unknown {
  return input instanceof FetchRequest ? nativeRequestOf(input) : input
}

/** A function that replaces a class: it has the prototype and the static members of that class. */
function standIn(replacement: object, native: Constructor, members: Readonly<Record<string, unknown>>): unknown {
  Object.setPrototypeOf(replacement, native)
  Object.defineProperty(replacement, 'prototype', { value: native.prototype, writable: false })
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(replacement, name, { value, configurable: true, writable: true, enumerable: true })
  }
  return replacement
}

let isDone = false

/** Replaces the globals, once. */
export function override(): void {
  if (isDone) return
  isDone = true
  set('Response', responses())
  if (REQUEST_STATE.length > 0) return
  set('Request', requests())
  const { fetch } = globalThis
  set('fetch', (input: RequestInfo | URL, init?: RequestInit) => fetch(unwrapped(input) as RequestInfo, init))
}

function set(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false })
}
