/**
 * Tokens: what methods and names of fields and cookies are made of. RFC 9110 §5.6.2.
 */

/** A whole token. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
