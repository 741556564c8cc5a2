/**
 * The door to the native half: the only file, but for the one that loads it, that knows there is an addon.
 */
import type * as Addon from '../index.js'
import { loadAddon } from './addon.ts'

export type { BoundAddress, EngineLimits, HotFunctions, ListenOptions } from '../index.js'
export const { ClientFacts, Engine } = loadAddon()
export type ClientFacts = Addon.ClientFacts
export type Engine = Addon.Engine

/** Words in one record of a notice. */
export const RECORD_WORDS = 8

/** Records that one batch can hold. */
const BATCH_RECORDS = 256

/** What a record tells: the low byte of its first word. */
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
} as const

/** Flags of a record, from bit 16 of its first word. */
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
  Trailers: 512,
  Over: 2048,
  ExpectsOther: 1024,
} as const

/** Where the numbers of an answer stand behind the records. */
export const ANSWER_WORDS = BATCH_RECORDS * RECORD_WORDS

/** What stands there. */
export const Answer = { Slot: 0, RequestIdLow: 1, RequestIdHigh: 2, Status: 3, Flags: 4, LengthLow: 5, LengthHigh: 6 } as const

/** Flags of an answer. */
export const AnswerFlag = { Close: 1, TellWritten: 2, Text: 4, Bytes: 8, Reason: 16, Length: 32 } as const
