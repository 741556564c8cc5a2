/**
 * The versions of what busbar has linked in.
 */
import { linkedVersions } from '../native.ts'

/** The libraries in the binary, by their versions as in `9.2.1`. */
export interface Versions {
  /** The parser of HTTP/1. */
  readonly llhttp: string
  /** Frames and header compression of HTTP/2. */
  readonly nghttp2: string
  /** TLS. */
  readonly rustls: string
  /** The library behind TLS, with its name, as in `aws-lc-rs 1.19.0`. */
  readonly crypto: string
}

/**
 * The versions of the libraries that are linked into the binary. These are busbar's own: an update of Node or of the
 * system doesn't change them, so compare them with security advisories.
 *
 * @example console.log(versions.nghttp2) // 1.68.1
 */
export const versions: Versions = Object.freeze(linkedVersions())
