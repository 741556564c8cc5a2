// The environment of cargo where it builds for a release.

/**
 * nghttp2's asserts are for debug builds, tests and fuzzing. In a release what they check is checked by our own code, and
 * a failed one would end the process. Whatever builds into target/release says the same: another value of CFLAGS builds
 * all C libraries again.
 */
export function releaseEnv() {
  const { CFLAGS, ...env } = process.env
  return { ...env, CFLAGS: [CFLAGS, '-DNDEBUG'].filter((flag) => flag).join(' ') }
}
