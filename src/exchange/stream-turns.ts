/**
 * When streamed responses continue: all those whose source may have paused share one tick, and one that has written
 * for long continues in the next turn of the event loop.
 */
import { withoutContext } from '../core/no-context.ts'

/** A response that is written in pieces. */
interface Stream {
  /** The source pauses. */
  onTick(): void
  /** The response continues. */
  onDrained(): void
}

/** Streams whose source may have paused. */
let pausing: Stream[] = []

const READY = Promise.resolve()

/** Calls `onTick` once when no other callback runs before the event loop continues. */
export function tickAtPause(stream: Stream): void {
  if (pausing.push(stream) === 1) withoutContext(scheduleTick)
}

/** Ticks that are planned in a callback of the event loop come before its promises: this one comes behind them. */
function scheduleTick(): void {
  void READY.then(planTick)
}

function planTick(): void {
  process.nextTick(tick)
}

function tick(): void {
  const streams = pausing
  pausing = []
  for (const stream of streams) stream.onTick()
}

/** Calls `onDrained` when the event loop has served others. */
export function resumeLater(stream: Stream): void {
  setImmediate(resume, stream)
}

function resume(stream: Stream): void {
  stream.onDrained()
}
