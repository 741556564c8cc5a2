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

/** Puts the prototype of ours between a foreign one and Node's. False when there is none of Node's in the chain. */
function mend(object: object, ours: object, nodes: object): boolean {
  for (let each = object; ; ) {
    const parent = Object.getPrototypeOf(each) as object | null
    if (parent === null || parent === ours) return false
    if (parent === nodes) {
      Object.setPrototypeOf(each, ours)
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
  mend(request, NodeRequest.prototype, IncomingMessage.prototype)
  mend(response, NodeResponse.prototype, ServerResponse.prototype)
}

interface Bridge {
  readonly ours: object
  readonly nodes: object
}

function isOurs(object: object): boolean {
  return Object.hasOwn(object, EXCHANGE)
}

/** Replaces one member of a prototype of Node's. */
function bridge(place: object, key: PropertyKey, { ours, nodes }: Bridge): void {
  const own = Object.getOwnPropertyDescriptor(place, key)
  const original = own ?? inherited(place, key)
  if (original === undefined || (own !== undefined && !own.configurable)) return
  const { value, get, set } = original as { value?: unknown; get?: () => unknown; set?: (value: unknown) => void }
  if (typeof value === 'function') {
    const method = value as (...given: unknown[]) => unknown
    Object.defineProperty(place, key, {
      ...original,
      value(this: object, ...given: unknown[]) {
        const isMended = isOurs(this) && mend(this, ours, nodes)
        return Reflect.apply(isMended ? (Reflect.get(ours, key, this) as typeof method) : method, this, given)
      },
    })
    Object.defineProperty((place as Record<PropertyKey, object>)[key]!, 'name', { value: method.name, configurable: true })
  } else if (get !== undefined) {
    Object.defineProperty(place, key, {
      ...original,
      get(this: object) {
        return isOurs(this) && mend(this, ours, nodes) ? Reflect.get(ours, key, this) : Reflect.apply(get, this, [])
      },
      set: set && function (this: object, given: unknown) {
        if (isOurs(this) && mend(this, ours, nodes)) Reflect.set(ours, key, given, this)
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
  const requests = { ours: NodeRequest.prototype, nodes: IncomingMessage.prototype }
  const responses = { ours: NodeResponse.prototype, nodes: ServerResponse.prototype }
  const stream = Reflect.ownKeys(Readable.prototype)
  for (const key of new Set([...stream, ...Reflect.ownKeys(IncomingMessage.prototype)])) {
    // What Node's constructor sets by itself stays a plain property.
    if (key !== 'constructor' && key !== 'destroyed') bridge(IncomingMessage.prototype, key, requests)
  }
  for (const key of Reflect.ownKeys(NodeResponse.prototype)) {
    if (key === 'constructor' || typeof key === 'symbol') continue
    const place = [ServerResponse.prototype, OutgoingMessage.prototype].find((each) => Object.hasOwn(each, key))
    if (place !== undefined) bridge(place, key, responses)
  }
}
