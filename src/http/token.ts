/**
 * Tokens: the grammar of methods and of the names of fields and cookies. RFC 9110 §5.6.2.
 */

/** Matches a whole token. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
