/** A program in characters of one byte: V8 takes such a text as it is, and keeps it in half of the memory. */
export function inAscii(text: string): string {
  return text.replaceAll(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
