/**
 * Escaping for HTML.
 */

/** Text as HTML that shows it unchanged. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
