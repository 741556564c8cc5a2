/**
 * Requests that wait for their handler, because `requestLimit` handlers are running.
 */
import type { AsyncResource } from 'node:async_hooks'
import type { Exchange } from '../exchange/exchange.ts'
import type { OpenExchanges } from '../exchange/open-exchanges.ts'
import { HandlerTimeout } from '../handler/handler-timeout.ts'
import { WAIT_SECONDS } from '../handler/running-handlers.ts'
import type { RunningHandlers, RunningRequest } from '../handler/running-handlers.ts'
import type { HotFunctions } from '../native.ts'
import { LOCAL_NETWORKS, Networks } from '../net/networks.ts'

/** What waiting requests need of their server. */
export interface WaitOwner {
  readonly hot: HotFunctions
  readonly open: OpenExchanges
  readonly running: RunningHandlers<RunningRequest>
}

/** The waiting requests of one server. */
export class WaitingRequests {
  readonly #owner: WaitOwner
  readonly #timeout = new HandlerTimeout(WAIT_SECONDS)

  constructor(owner: WaitOwner) {
    this.#owner = owner
  }

  /** A request waits: `begin` runs in its resource when a handler is free, or `refuse` when none was free for too long. */
  add(exchange: Exchange, resource: AsyncResource, begin: () => void, refuse: () => void): void {
    const { hot, open, running } = this.#owner
    const { requestId } = exchange
    open.add(exchange)
    if (exchange.isHttp2()) exchange.listen()
    this.#timeout.add(requestId, () => {
      running.giveUp(exchange)
      refuse()
      resource.emitDestroy()
    })
    running.wait(exchange, () => {
      this.#timeout.delete(requestId)
      if (exchange.isGone()) hot.abort(exchange.slot, requestId)
      else if (!exchange.isAnswered && !exchange.client().isClosed()) resource.runInAsyncScope(begin)
      resource.emitDestroy()
    })
  }

  /** No more requests wait. */
  close(): void {
    this.#timeout.close()
  }
}

/** Gives the address whose share of the handlers a request counts for; null for local ones and proxies. */
export function shareAddress(proxies: readonly string[]): (request: RunningRequest) => string | null {
  // Made for the first request that waits: to parse the networks lengthens each start by 0.5 ms.
  let exempt: Networks | null = null
  return (request) => {
    exempt ??= new Networks([...LOCAL_NETWORKS, ...proxies])
    const address = request.client().getRemoteAddress()
    return address.getType() === 'unix' || exempt.has(address) ? null : address.getHost()
  }
}
