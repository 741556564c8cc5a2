/**
 * Observers of requests: the setting `onResponse`, the access log, and subscribers of the tracing channel. A server
 * without them makes no records.
 */
import type * as Channels from 'node:diagnostics_channel'
import { Handover } from '../core/handover.ts'
import type { Logger } from '../core/logger.ts'
import { attempt } from '../core/outcome.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { Observation } from '../exchange/observation.ts'
import type { ObservationListener } from '../exchange/observation.ts'
import type { FinishedResponse } from '../middleware/access-log.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { Outcome } from '../message/response-end.ts'
import type { SocketAddress } from '../net/socket-address.ts'

/** Names the events of the channel. */
type Traces = Channels.TracingChannel<unknown, RequestTrace>

/** Null on a runtime without tracing channels; undefined before the first request: to make one takes 0.15 ms of a start. */
let traces: Traces | null | undefined

function openChannel(): Traces | null {
  const { tracingChannel } = process.getBuiltinModule('node:diagnostics_channel')
  return typeof tracingChannel === 'function' ? tracingChannel<unknown, RequestTrace>('busbar.request') : null
}

/** Whether a subscriber listens to the channel `busbar.request`. */
function areTraced(): boolean {
  if (traces === undefined) traces = openChannel()
  return (
    traces !== null &&
    (traces.start.hasSubscribers ||
      traces.asyncEnd.hasSubscribers ||
      traces.end.hasSubscribers ||
      traces.asyncStart.hasSubscribers ||
      traces.error.hasSubscribers)
  )
}

/**
 * The object that all events of the channel `busbar.request` about one request carry. Subscribers may add members.
 *
 * @example tracingChannel('busbar.request').subscribe({ asyncEnd: (trace) => meter.record(trace.duration) })
 */
export interface RequestTrace {
  readonly request: Request
  /** From `asyncEnd` on: the status that was sent; null without an answer. */
  status: number | null
  /** From `asyncEnd` on: bytes of the body that were sent. */
  bytesSent: number
  /** From `asyncEnd` on: milliseconds since the request was dispatched. */
  duration: number
  /** From `asyncEnd` on: how the answer ended. */
  outcome: Outcome | null
  /** What the handler or the body has failed with. */
  error?: unknown
}

/** Called at the true end of each answer. */
export type ResponseHook = (response: FinishedResponse) => void

/** The observers of one server. */
export class Observer {
  readonly #hooks: readonly ResponseHook[]
  readonly #logger: Logger
  /** The hooks run where the server was made. Null without hooks. */
  readonly #context: Handover | null

  constructor(hooks: readonly ResponseHook[], logger: Logger) {
    this.#hooks = hooks
    this.#logger = logger
    this.#context = hooks.length === 0 ? null : new Handover()
  }

  /** Whether the server has hooks, which are also called for bytes that were no request. */
  hasHooks(): boolean {
    return this.#hooks.length > 0
  }

  /** Whether requests are observed now. */
  isActive(): boolean {
    return this.#hooks.length > 0 || areTraced()
  }

  /** Observes a request to the end of its answer. */
  observe(request: Request, exchange: Exchange): void {
    exchange.observe(this.record(request))
  }

  /** The record of a request, whose end is reported. */
  record(request: Request): Observation {
    return new Observation(new ObservedRequest(this, request))
  }

  /** What was no request was answered, with this status; 0: the client has left before. */
  refuse(status: number, bytesSent: number, remoteAddress: SocketAddress): void {
    if (this.#hooks.length === 0) return
    const outcome = status === 0 ? 'aborted' : status === 408 ? 'timeout' : 'sent'
    this.finish({ request: null, remoteAddress, status: status === 0 ? null : status, bytesSent, duration: 0, outcome })
  }

  /** Calls the hooks. */
  finish(response: FinishedResponse): void {
    for (const hook of this.#hooks) {
      attempt(
        () => this.#context?.run(hook, undefined, response),
        (exception) => this.#logger.error('onResponse failed', { exception }),
      )
    }
  }
}

/** Notes status and content of a response that is sent as a whole. */
export function noteAnswer(exchange: Exchange, observation: Observation, response: Response): void {
  const status = response.getStatus()
  const body = exchange.method() === 'HEAD' || status === 204 || status === 304 ? null : response.getBody()
  observation.answer(status, typeof body === 'string' || body instanceof Uint8Array ? Buffer.byteLength(body) : 0)
}

/** One observed request. */
class ObservedRequest implements ObservationListener {
  readonly #observer: Observer
  readonly #request: Request
  /** Null unless the channel had subscribers when the request was dispatched. */
  readonly #trace: RequestTrace | null

  constructor(observer: Observer, request: Request) {
    this.#observer = observer
    this.#request = request
    this.#trace = areTraced() ? { request, status: null, bytesSent: 0, duration: 0, outcome: null } : null
  }

  run(handle: () => void): void {
    if (this.#trace === null) return handle()
    traces!.start.runStores(this.#trace, () => {
      try {
        handle()
      } finally {
        traces!.end.publish(this.#trace!)
      }
    })
  }

  onError(_observation: Observation, error: unknown): void {
    if (this.#trace === null) return
    this.#trace.error = error
    traces!.error.publish(this.#trace)
  }

  onEnd({ status, bytesSent, duration, outcome }: Observation): void {
    if (outcome === null) return
    const request = this.#request
    if (this.#trace !== null) {
      Object.assign(this.#trace, { status, bytesSent, duration, outcome })
      traces!.asyncStart.publish(this.#trace)
      traces!.asyncEnd.publish(this.#trace)
    }
    if (!this.#observer.hasHooks()) return
    this.#observer.finish({
      request,
      // Few hooks read it, and the engine has to be asked.
      get remoteAddress() {
        return request.getRemoteAddress()
      },
      status,
      bytesSent,
      duration,
      outcome,
    })
  }
}
