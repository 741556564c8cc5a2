/** Whole numbers from 0 to below a bound, in an order that a seed determines. */
export type Random = (bound: number) => number

/** Marsaglia's xorshift of 32 bits. */
export function random(seed: number): Random {
  let state = seed || 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}
