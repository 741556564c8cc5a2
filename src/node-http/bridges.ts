/**
 * Requests and responses of ours whose prototype was replaced.
 *
 * Express gives each request and response a prototype of its own, whose parent is Node's. The methods of ours would be
 * lost, so Node's prototypes are given a look at each call: an object of ours has its own prototype put below the
 * foreign one, once, and then the call is made again. For Node's own objects the original is called.
 */
import { IncomingMessage, OutgoingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { NodeRequest } from './node-request.ts'
import { NodeResponse } from './node-response.ts'
import { EXCHANGE } from './symbols.ts'

/** A class of ours, and what stands for it below the prototypes of applications. */
interface Pair {
  readonly ours: object
  readonly nodes: object
  /** Has the members of ours, for objects of ours, and those of Node's, for Node's own. */
  readonly guarded: object
}

const REQUESTS = pairOf(NodeRequest.prototype, IncomingMessage.prototype)
const RESPONSES = pairOf(NodeResponse.prototype, ServerResponse.prototype)

function pairOf(ours: object, nodes: object): Pair {
  const guarded = Object.create(nodes) as object
  for (const key of Reflect.ownKeys(ours)) {
    if (key !== 'constructor') Object.defineProperty(guarded, key, guardedMember(key, Object.getOwnPropertyDescriptor(ours, key)!, nodes))
  }
  return { ours, nodes, guarded }
}

type Method = (...given: unknown[]) => unknown

/** One member: of ours for objects of ours, else of Node's. Values that are defaults stay as they are for both. */
function guardedMember(key: PropertyKey, { value, get, set }: PropertyDescriptor, nodes: object): PropertyDescriptor {
  const other = inherited(nodes, key)
  if (typeof value === 'function') {
    const method = value as Method
    return {
      configurable: true,
      writable: true,
      value(this: object, ...given: unknown[]) {
        return Reflect.apply(isOurs(this) ? method : (other?.value as Method), this, given)
      },
    }
  }
  if (get === undefined) return { configurable: true, writable: true, value: other === undefined ? value : (other.value as unknown) }
  return {
    configurable: true,
    get(this: object) {
      return isOurs(this) ? Reflect.apply(get, this, []) : Reflect.get(nodes, key, this)
    },
    set(this: object, given: unknown) {
      if (isOurs(this) && set !== undefined) Reflect.apply(set, this, [given])
      else if (other?.set !== undefined) Reflect.apply(other.set, this, [given])
      else Object.defineProperty(this, key, { value: given, writable: true, enumerable: true, configurable: true })
    },
  }
}

/** Puts a guarded prototype between a foreign one and Node's. False when there is none of Node's in the chain. */
function mend(object: object, { ours, nodes, guarded }: Pair): boolean {
  for (let each = object; ; ) {
    const parent = Object.getPrototypeOf(each) as object | null
    if (parent === null || parent === ours || parent === guarded) return false
    if (parent === nodes) {
      Object.setPrototypeOf(each, guarded)
      return true
    }
    each = parent
  }
}

/** Looks for an application that gives requests a prototype of its own, such as Express, and prepares it. */
export function adoptApplication(listener: unknown): { request: object; response: object } | null {
  const { request, response } = (listener ?? {}) as { request?: unknown; response?: unknown }
  if (!(request instanceof IncomingMessage && response instanceof ServerResponse)) return null
  adoptPrototypes(request, response)
  return { request, response }
}

/** Makes the members of ours reachable through the prototypes of an application's, e.g. `app.request` of Express. */
export function adoptPrototypes(request: object, response: object): void {
  adoptRequests(request)
  adoptResponses(response)
}

/** The same for what requests inherit from. */
export function adoptRequests(prototype: object): void {
  mend(prototype, REQUESTS)
}

/** The same for what responses inherit from. */
export function adoptResponses(prototype: object): void {
  mend(prototype, RESPONSES)
}

function isOurs(object: object): boolean {
  return Object.hasOwn(object, EXCHANGE)
}

/** Replaces one member of a prototype of Node's. */
function bridge(place: object, key: PropertyKey, pair: Pair): void {
  const own = Object.getOwnPropertyDescriptor(place, key)
  const original = own ?? inherited(place, key)
  if (original === undefined || (own !== undefined && !own.configurable)) return
  const { value, get, set } = original as { value?: unknown; get?: () => unknown; set?: (value: unknown) => void }
  if (typeof value === 'function') {
    const method = value as (...given: unknown[]) => unknown
    Object.defineProperty(place, key, {
      ...original,
      value(this: object, ...given: unknown[]) {
        const isMended = isOurs(this) && mend(this, pair)
        return Reflect.apply(isMended ? (Reflect.get(pair.ours, key, this) as typeof method) : method, this, given)
      },
    })
    Object.defineProperty((place as Record<PropertyKey, object>)[key]!, 'name', { value: method.name, configurable: true })
  } else if (get !== undefined) {
    Object.defineProperty(place, key, {
      ...original,
      get(this: object) {
        return isOurs(this) && mend(this, pair) ? Reflect.get(pair.ours, key, this) : Reflect.apply(get, this, [])
      },
      set: set && function (this: object, given: unknown) {
        if (isOurs(this) && mend(this, pair)) Reflect.set(pair.ours, key, given, this)
        else Reflect.apply(set, this, [given])
      },
    })
  }
}

function inherited(object: object, key: PropertyKey): PropertyDescriptor | undefined {
  for (let each: object | null = object; each !== null; each = Object.getPrototypeOf(each) as object | null) {
    const found = Object.getOwnPropertyDescriptor(each, key)
    if (found !== undefined) return found
  }
  return undefined
}

let isInstalled = false

/** Installs the bridges, once in a process. */
export function installBridges(): void {
  if (isInstalled) return
  isInstalled = true
  const stream = Reflect.ownKeys(Readable.prototype)
  for (const key of new Set([...stream, ...Reflect.ownKeys(IncomingMessage.prototype)])) {
    // What Node's constructor sets by itself stays a plain property.
    if (key !== 'constructor' && key !== 'destroyed') bridge(IncomingMessage.prototype, key, REQUESTS)
  }
  for (const key of Reflect.ownKeys(NodeResponse.prototype)) {
    if (key === 'constructor' || typeof key === 'symbol') continue
    const place = [ServerResponse.prototype, OutgoingMessage.prototype].find((each) => Object.hasOwn(each, key))
    if (place !== undefined) bridge(place, key, RESPONSES)
  }
}
