/**
 * IP addresses as text. Without node:net, whose loading would cost every start two milliseconds.
 */

const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`)
const IPV6_CHARACTERS = /^[\da-f:.]*:[\da-f:.]*$/i

/** 4 or 6; 0 for anything else. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (IPV4.test(text)) return 4
  return IPV6_CHARACTERS.test(text) && URL.canParse(`http://[${text}]`) ? 6 : 0
}
