/**
 * The body of a request as a web stream.
 */
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { handled } from '../core/outcome.ts'

/** The body that a stream reads. */
interface Readable {
  /** The next piece; null at the end. */
  read(): Promise<Uint8Array | null>
  close(): void
}

/** A web stream of bytes. It fails when the client leaves or the request is answered; that needs no listener. */
export function webStream(body: Readable): ReadableStream<Uint8Array> {
  const stream = new ReadableStream<Uint8Array>({
    type: 'bytes',
    pull: async (controller) => {
      const piece = await body.read()
      if (piece !== null) return (controller as ReadableByteStreamController).enqueue(owned(piece))
      controller.close()
      ;(controller as ReadableByteStreamController).byobRequest?.respond(0)
    },
    cancel: () => body.close(),
  })
  return withHandledReads(stream)
}

/**
 * The same stream, whose promises are marked as handled: a read that is pending when the client leaves would end the
 * process if nothing awaits it.
 */
function withHandledReads(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const { getReader, pipeTo, tee } = stream
  const { values } = stream as unknown as NodeReadableStream<Uint8Array>
  const own = {
    getReader: (...options: Parameters<typeof getReader>) => {
      const reader = getReader.apply(stream, options)
      const { read } = reader as ReadableStreamBYOBReader
      return Object.assign(reader, { read: (...view: Parameters<typeof read>) => handled(read.apply(reader as ReadableStreamBYOBReader, view)) })
    },
    pipeTo: (...target: Parameters<typeof pipeTo>) => handled(pipeTo.apply(stream, target)),
    tee: () => tee.apply(stream).map(withHandledReads),
    values: (...options: Parameters<typeof values>) => {
      const iterator = values.apply(stream as unknown as NodeReadableStream<Uint8Array>, options)
      const next = iterator.next.bind(iterator)
      return Object.assign(iterator, { next: () => handled(next()) })
    },
  }
  for (const [name, value] of [...Object.entries(own), [Symbol.asyncIterator, own.values] as const]) {
    Object.defineProperty(stream, name, { value, configurable: true, writable: true })
  }
  return stream
}

/** Bytes in memory of their own, since web streams transfer the memory of what passes through them. */
function owned(piece: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = piece
  const isAlone = buffer instanceof ArrayBuffer && piece.length === buffer.byteLength
  return isAlone ? new Uint8Array(buffer) : Uint8Array.from(piece)
}
