/**
 * The rarer parts of a response, in an object of their own so that most responses are smaller.
 */
import { Handover, Hook } from '../core/handover.ts'
import { attempt } from '../core/outcome.ts'
import type { Trailers } from '../http/trailers.ts'
import { linkOf } from './push.ts'
import type { Push } from './push.ts'

/** The framing of a streamed body. */
export interface Framing {
  /** Its length in bytes; -1 when it is unknown. */
  readonly length: number
  /** Further lines of the head, `name: value\r\n…`. */
  readonly lines: string
}

/** A response whose body is being sent. */
interface Sender {
  /** Aborts the response; false when it is complete. */
  cut(): boolean
}

/** A response that isn't sent, because another one is. */
interface Replaced {
  discard(report: (error: unknown) => void): void
}

/** The rarer parts of a response. `Takeover` is the type of an upgrade. */
export class ResponseExtras<Takeover> {
  /** Functions that run when the response is over; they may be async. */
  disposers: Hook<[]>[] = []
  /** The body is sent piece by piece. */
  isStreamed = false
  /** The body is long content, which may be sent from where it is. */
  isLong = false
  /** Where the source of the body runs: where it was handed over. */
  bodyContext: Handover | null = null
  /** It has had an `upgrade` field, with which an option of `connection` goes. */
  namesProtocol = false
  trailers: Trailers | null = null
  /** What the client will need, by URL. */
  pushes: Map<string, Push> | null = null
  /** Seconds that the client may take nothing of it; null for the option `writeTimeout`. */
  writeTimeout: number | null = null
  /** The upgrade that it asks for. */
  takeover: Takeover | null = null
  /** Responses that this one was given in place of; they are over when it is. */
  replaced: Replaced[] | null = null
  /** Middleware may compress it. */
  isCompressible = true
  /** It was aborted before it was sent. */
  isCut = false
  /**
   * The object that sends it, rather than a closure: V8 allocates functions that are assigned to a property in the old
   * generation, where one would retain the body until a full collection.
   */
  sender: Sender | null = null

  /** The body is replaced. */
  releaseBody(): void {
    this.isStreamed = false
    this.isLong = false
    this.bodyContext?.release()
    this.bodyContext = null
  }

  /** Runs a function where the body was handed over. */
  inBodyContext<Result>(run: () => Result): Result {
    return this.bodyContext === null ? run() : this.bodyContext.run(run)
  }

  /** The `link` fields of its pushes. */
  links(): string[] {
    return this.pushes === null ? [] : [...this.pushes.values()].map(linkOf)
  }

  /** Adds a function that runs when the response is over. */
  onDispose(callback: () => unknown): void {
    this.disposers.push(new Hook(callback))
  }

  /** Whether anything has to be done when the response is over. */
  hasDisposers(): boolean {
    return this.disposers.length > 0 || this.replaced !== null
  }

  /** Runs the functions of `onDispose`, once. */
  dispose(report: (error: unknown) => void): void {
    const { disposers, replaced } = this
    this.disposers = []
    this.replaced = null
    for (const disposer of disposers) attempt(() => disposer.run(), report)
    for (const each of replaced ?? []) each.discard(report)
    this.bodyContext?.release()
  }
}
