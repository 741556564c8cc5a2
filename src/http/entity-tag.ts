/**
 * Entity tags identify the versions of a representation. RFC 9110 §8.8.3.
 */

const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

/** Whether a list such as that of `If-None-Match` has a tag, by weak comparison. RFC 9110 §8.8.3.2. */
export function listsWeakly(list: string, tag: string): boolean {
  // Nearly all clients send one tag, that of the response before.
  if (list === tag || list.trim() === '*') return true
  const opaque = opaqueOf(tag)
  return tagsIn(list).some((listed) => opaqueOf(listed) === opaque)
}

/** Whether a list such as that of `If-Match` has a tag, by strong comparison. RFC 9110 §8.8.3.2. */
export function listsStrongly(list: string, tag: string): boolean {
  if (list.trim() === '*') return true
  return isStrong(tag) && tagsIn(list).includes(tag)
}

/** Whether a tag is strong: it changes with every byte of the representation. */
export function isStrong(tag: string): boolean {
  return tag.startsWith('"')
}

function opaqueOf(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(2)
}

/** The tags of a list; anything else in it is skipped. */
function tagsIn(list: string): string[] {
  return list.match(TAGS) ?? []
}
