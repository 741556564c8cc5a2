/**
 * Entity tags: what tells one version of a representation from another. RFC 9110 §8.8.3.
 */

const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

/** Whether a list, such as `If-None-Match` has it, names a tag, weak or not. RFC 9110 §8.8.3.2. */
export function listsWeakly(list: string, tag: string): boolean {
  // What nearly all clients send: the one tag that they were given.
  if (list === tag || list.trim() === '*') return true
  const opaque = opaqueOf(tag)
  return tagsIn(list).some((listed) => opaqueOf(listed) === opaque)
}

/** Whether a list, such as `If-Match` has it, names a strong tag that is the same. */
export function listsStrongly(list: string, tag: string): boolean {
  if (list.trim() === '*') return true
  return isStrong(tag) && tagsIn(list).includes(tag)
}

/** Whether it changes with every byte of the representation. */
export function isStrong(tag: string): boolean {
  return tag.startsWith('"')
}

function opaqueOf(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(2)
}

/** The tags of a list; what is none is passed over. */
function tagsIn(list: string): string[] {
  return list.match(TAGS) ?? []
}
