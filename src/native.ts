/**
 * The door to the engine: this file and addon.ts, which loads it, are the only ones that know the addon.
 */
import type * as Addon from '../index.js'
import { loadAddon } from './addon.ts'

export type {
  BoundAddress,
  CertificateDetails,
  EngineLimits,
  ListenOptions,
  TlsAnswer,
  TlsCertificate,
  TlsDetails,
  TlsSettings,
  TlsSource,
} from '../index.js'
export const { ClientFacts, Engine, TlsContext, linkedVersions } = loadAddon()
export type ClientFacts = Addon.ClientFacts
export type Engine = Addon.Engine
export type TlsContext = Addon.TlsContext

/** Words in one record of a notice. */
export const RECORD_WORDS = 8

/** Records that one batch can hold. */
const BATCH_RECORDS = 256

/** The kind of a notice: the low byte of the first word of its record. */
export const Notice = {
  Request: 1,
  Body: 2,
  BodyLimit: 3,
  BodyFailed: 4,
  Aborted: 5,
  HalfClosed: 6,
  Written: 7,
  Drained: 8,
  Closed: 9,
  PeerHalfClosed: 10,
  Idle: 11,
  Refused: 12,
  Accepted: 13,
  Upgraded: 14,
  Raw: 15,
  RawDrained: 16,
  FileFailed: 17,
  Late: 18,
  BodyReady: 19,
  Rejected: 20,
  Established: 24,
  ServerName: 25,
  Reset: 26,
  Unparsed: 27,
  RawReady: 28,
  RawRead: 29,
} as const

/** Flags of a notice, from bit 16 of the first word of its record. */
export const Flag = {
  Body: 1,
  Whole: 2,
  Http10: 4,
  Upgrade: 8,
  KeepAlive: 16,
  ExpectsContinue: 32,
  Large: 64,
  Spilled: 128,
  End: 256,
  /** Of a request, with the bit of `End`: it is for `https:` although it came in cleartext. */
  ClaimsHttps: 256,
  Trailers: 512,
  Over: 2048,
  ExpectsOther: 1024,
  Late: 4096,
  Unparsed: 8192,
  Http2: 16384,
  /** The request was read although requests are paused: it has waited for too long. */
  Waited: 32768,
} as const

/** Index of the words of a response, behind the records. */
export const ANSWER_WORDS = BATCH_RECORDS * RECORD_WORDS

/** The words of a response, from there. */
export const Answer = { Slot: 0, RequestIdLow: 1, RequestIdHigh: 2, Status: 3, Flags: 4, LengthLow: 5, LengthHigh: 6 } as const

/**
 * Index of the word that counts how often the event loop has waited for events, which it does behind all immediates: equal
 * numbers mean that notices came from one wait.
 */
export const LOOP_WAITS = ANSWER_WORDS + 7

/** Flags of a response. */
export const AnswerFlag = { Close: 1, TellWritten: 2, Text: 4, Bytes: 8, Reason: 16, Length: 32, OwnDate: 64, UntilClose: 128, OwnConnection: 256, OwnFraming: 512, OwnKeepAlive: 1024, SameFields: 2048, SameText: 4096 } as const

/**
 * Results of functions that send a body. Of `write`: nothing was written, because the memory is shared with other threads. Of
 * `sendFile`: the system can't send files, or has no descriptor left. Of `startStream`: `write` copies nothing of long pieces.
 * Of `respond`: nothing of a long body is copied, and its memory is in use until `Written`.
 */
export const Result = { Shared: -2, Unsupported: 2, Holds: 4 } as const

/** Bytes of a body that may be copied at once on the way to an I/O thread; what is longer waits for the client in portions. */
const COPIED_AT_ONCE = 256 * 1024

/** Writes which request an answer is for. */
export function addressAnswer(words: Uint32Array, slot: number, requestId: number): void {
  words[ANSWER_WORDS + Answer.Slot] = slot
  words[ANSWER_WORDS + Answer.RequestIdLow] = requestId
  words[ANSWER_WORDS + Answer.RequestIdHigh] = requestId / 2 ** 32
}

/** Fields and text above this length aren't kept to be compared with those of the next answer. */
const COMPARED = 1024

/** The hot functions of one engine, and what was given to them last. */
export interface HotFunctions extends Addon.HotFunctions {
  /** The fields of the last `respond`; null when they are too long. */
  lastFields: string | null
  /** The text of the last `respond` that had some; null when it was too long. */
  lastText: string | null
  /** Bytes of the longest body that `respond` should be given. */
  readonly longest: number
}

/** The hot functions in an object of our own: calls to those of one that the addon made, which is in V8's dictionary mode, aren't direct. */
export function hotOf(engine: Engine, ioThreads: number): HotFunctions {
  return { ...engine.hot(), lastFields: null, lastText: null, longest: ioThreads === 0 ? Infinity : COPIED_AT_ONCE }
}

/**
 * Answers with a whole body; its numbers are in the words. Fields and text that the last answer had, too, aren't encoded
 * again: many answers are alike, such as errors and those to health checks.
 */
export function respond(hot: HotFunctions, words: Uint32Array, fields: string, body?: string | Uint8Array, reason?: string): 1 | 4 | undefined {
  if (fields === hot.lastFields) words[ANSWER_WORDS + Answer.Flags]! |= AnswerFlag.SameFields
  else hot.lastFields = fields.length <= COMPARED ? fields : null
  if (typeof body === 'string') {
    if (body === hot.lastText) words[ANSWER_WORDS + Answer.Flags]! |= AnswerFlag.SameText
    else hot.lastText = body.length <= COMPARED ? body : null
  }
  return hot.respond(fields, body, reason)
}

/** Writes the numbers of an answer but for its request; a length of -1 is unknown. */
export function writeAnswer(words: Uint32Array, status: number, flags: number, length: number): void {
  words[ANSWER_WORDS + Answer.Status] = status
  words[ANSWER_WORDS + Answer.Flags] = length < 0 ? flags : flags | AnswerFlag.Length
  if (length < 0) return
  words[ANSWER_WORDS + Answer.LengthLow] = length
  words[ANSWER_WORDS + Answer.LengthHigh] = length / 2 ** 32
}
