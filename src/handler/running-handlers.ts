/**
 * Handlers whose promise is pending: at most `requestLimit`, to bound the memory that they hold. At the limit the
 * engine reads no further request; requests that it has read already wait here. Handlers that answer synchronously
 * aren't counted.
 *
 * One address may hold a quarter of the limit, so that a single client doesn't take the server from all others. Below a
 * quarter of running handlers no address can hold more, so only then are addresses looked at.
 */
import type { Client } from '../connection/client.ts'

/** Seconds for which a request waits for its handler. */
export const WAIT_SECONDS = 5

/** A request whose handler runs or waits. */
export interface RunningRequest {
  client(): Client
  /** Its index in the list of running requests; -1 while it isn't listed. */
  runningAt: number
}

/** What running handlers need of their server. */
export interface RunningSettings<Request> {
  /** Most handlers that run at the same time. */
  readonly limit: number
  /** Makes the engine stop or resume reading requests. */
  readonly pauseRequests: (isPaused: boolean) => void
  /** The address of a request's client; null when its share isn't limited. */
  readonly addressOf: (request: Request) => string | null
}

/** The requests of one address, while many handlers run. */
class Share<Request> {
  running = 0
  /** Requests that wait for a handler of their own address, in order of arrival, with the function that begins each. */
  readonly waiting = new Map<Request, () => void>()
}

/** Part of the limit that one address may hold. */
const SHARE = 4

/** The handlers of one server. */
export class RunningHandlers<Request extends Pick<RunningRequest, 'runningAt'>> {
  readonly #limit: number
  readonly #share: number
  readonly #pauseRequests: (isPaused: boolean) => void
  readonly #addressOf: (request: Request) => string | null
  /** The requests whose handlers run, in no order. */
  readonly #running: Request[] = []
  #isPaused = false
  /** Requests that wait for any handler, in order of arrival, with the function that begins each. */
  readonly #waiting = new Map<Request, () => void>()
  /** By address; null while too few handlers run for any address to hold its share. */
  #shares: Map<string, Share<Request>> | null = null

  constructor(settings: RunningSettings<Request>) {
    this.#limit = settings.limit
    this.#share = Math.max(Math.floor(settings.limit / SHARE), 1)
    this.#pauseRequests = settings.pauseRequests
    this.#addressOf = settings.addressOf
  }

  /** Handlers that run, and requests that wait for one of them to end. */
  counts(): { running: number; waiting: number } {
    let waiting = this.#waiting.size
    for (const share of this.#shares?.values() ?? []) waiting += share.waiting.size
    return { running: this.#running.length, waiting }
  }

  /** Whether a further handler must wait. */
  mustWait(request: Request): boolean {
    if (this.#running.length < this.#share) return this.#waiting.size > 0
    return this.#isFull() || this.#isOverShare(request)
  }

  /** Begins a handler after those that wait already. */
  wait(request: Request, begin: () => void): void {
    const share = this.#isFull() ? null : this.#shareOf(request)
    if (share === null) {
      this.#waiting.set(request, begin)
      this.#setPaused(true)
    } else {
      share.waiting.set(request, begin)
    }
  }

  /** A request doesn't wait any more. */
  giveUp(request: Request): void {
    if (!this.#waiting.delete(request)) this.#shareOf(request)?.waiting.delete(request)
    this.#beginWaiting()
  }

  /** A handler has returned a promise. */
  enter(request: Request): void {
    request.runningAt = this.#running.length
    this.#running.push(request)
    if (this.#running.length < this.#share) return
    if (this.#shares === null) this.#countShares()
    else this.#count(request)
    if (this.#running.length >= this.#limit) this.#setPaused(true)
  }

  /** Its promise is settled. */
  leave(request: Request): void {
    const last = this.#running.pop()!
    if (last !== request) {
      last.runningAt = request.runningAt
      this.#running[request.runningAt] = last
    }
    request.runningAt = -1
    if (this.#shares !== null) this.#leaveShare(this.#shares, request)
    if (this.#isPaused) this.#beginWaiting()
  }

  #isFull(): boolean {
    return this.#running.length >= this.#limit || this.#waiting.size > 0
  }

  #isOverShare(request: Request): boolean {
    const share = this.#shareOf(request)
    return share !== null && (share.running >= this.#share || share.waiting.size > 0)
  }

  /** The share of a request's address; null when it isn't limited, or not looked at now. */
  #shareOf(request: Request): Share<Request> | null {
    const address = this.#shares === null ? null : this.#addressOf(request)
    return address === null ? null : (this.#shares?.get(address) ?? null)
  }

  #countShares(): void {
    this.#shares = new Map()
    for (const request of this.#running) this.#count(request)
  }

  #count(request: Request): void {
    const address = this.#addressOf(request)
    if (address === null || this.#shares === null) return
    let share = this.#shares.get(address)
    if (share === undefined) this.#shares.set(address, (share = new Share()))
    share.running++
  }

  /** The next request of the same address begins, or waits for any handler. */
  #leaveShare(shares: Map<string, Share<Request>>, request: Request): void {
    const address = this.#addressOf(request)
    const share = address === null ? undefined : shares.get(address)
    if (address !== null && share !== undefined) {
      share.running--
      const [next] = share.waiting
      if (next !== undefined) {
        share.waiting.delete(next[0])
        if (this.#isFull()) this.wait(...next)
        else next[1]()
      } else if (share.running === 0) {
        shares.delete(address)
      }
    }
    // Half of a share less: a count that goes up and down around a share doesn't look at all addresses each time.
    if (this.#running.length < this.#share / 2) this.#forgetShares(shares)
  }

  #forgetShares(shares: Map<string, Share<Request>>): void {
    this.#shares = null
    for (const { waiting } of shares.values()) for (const next of waiting) this.#waiting.set(...next)
    this.#beginWaiting()
  }

  /** Begins the requests that wait for any handler, as far as the limit allows. */
  #beginWaiting(): void {
    while (this.#running.length < this.#limit) {
      const [next] = this.#waiting
      if (next === undefined) return this.#setPaused(false)
      const [request, begin] = next
      this.#waiting.delete(request)
      const share = this.#shareOf(request)
      if (share !== null && share.running >= this.#share) share.waiting.set(request, begin)
      else begin()
    }
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    this.#pauseRequests(isPaused)
  }
}
