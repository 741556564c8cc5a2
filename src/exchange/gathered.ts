/**
 * Content of a streamed response that leaves together.
 *
 * ```text
 *   text    short strings               ──► one string
 *   short   copies of short pieces      ──► one piece
 *   long    pieces that were given away ──► the pieces, from where they are
 * ```
 */
import { lengthOf } from './stream-writing.ts'
import type { Written } from './stream-writing.ts'

/** Bytes of long pieces that are written together: a client that reads slowly keeps so many waiting. */
const LONG_TOGETHER = 256 * 1024
/** The most pieces of one write. */
const PIECES_TOGETHER = 16

/** What is gathered. It is text or bytes, never both: the caller takes what is of the other kind first. */
export class Gathered {
  /** Bytes from which short content is enough, and a piece is long. */
  readonly threshold: number
  #text = ''
  #pieces: Uint8Array[] = []
  /** Bytes, or characters of text. */
  #length = 0
  #isLong = false

  constructor(threshold: number) {
    this.threshold = threshold
  }

  get isEmpty(): boolean {
    return this.#length === 0
  }

  get hasText(): boolean {
    return this.#text !== ''
  }

  get hasBytes(): boolean {
    return this.#pieces.length > 0
  }

  /** Whether it is to be written now, although more may follow at once. */
  get isEnough(): boolean {
    if (!this.#isLong) return this.#length >= this.threshold
    return this.#length >= LONG_TOGETHER || this.#pieces.length >= PIECES_TOGETHER
  }

  addText(text: string): void {
    this.#text += text
    this.#length += text.length
  }

  /** Adds a copy: sources may use their memory again for the next piece. */
  addCopy(piece: Uint8Array): void {
    this.#pieces.push(Buffer.from(piece))
    this.#length += piece.length
  }

  /** Adds a piece that its source has given away. */
  addLong(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#length += piece.length
    this.#isLong = true
  }

  /** Takes all, several long pieces as an array. Null when the memory of one of these is gone. */
  take(): Written | null {
    const content = this.#text === '' ? this.#takenPieces() : this.#text
    this.clear()
    return content
  }

  #takenPieces(): Written | null {
    const pieces = this.#pieces
    if (this.#isLong && lengthOf(pieces) !== this.#length) return null
    if (pieces.length === 1) return pieces[0]!
    return this.#isLong ? pieces : Buffer.concat(pieces)
  }

  clear(): void {
    this.#text = ''
    if (this.#pieces.length > 0) this.#pieces = []
    this.#length = 0
    this.#isLong = false
  }
}
