const widest = 120
const lead = 40

/** A place in a text, from 1, and how many characters it covers. */
export interface ExcerptPlace {
  line: number
  column: number
  length?: number
}

/**
 * The source line of a place with carets below it, as two lines:
 *
 *     4 |     wiht: { to: /workspace }
 *       |     ^^^^
 *
 * A line of more than 120 characters is cut around the place.
 */
export function excerpt(text: string, place: ExcerptPlace): string {
  const lines = text.split(/\r\n|\n/, place.line)
  const whole = lines[place.line - 1] ?? ''
  const start = whole.length > widest ? Math.max(0, place.column - 1 - lead) : 0
  const cutLeft = start > 0 ? '…' : ''
  const cutRight = whole.length > start + widest ? '…' : ''
  const shown = cutLeft + whole.slice(start, start + widest) + cutRight
  const before = shown.slice(0, place.column - 1 - start + cutLeft.length)
  const carets = Math.max(1, Math.min(place.length ?? 1, shown.length - before.length))
  const gutter = String(place.line)
  // Tabs are kept, so that the caret stands below its place whatever width the terminal gives a tab.
  const indent = before.replaceAll(/[^\t]/g, ' ')
  return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${indent}${'^'.repeat(carets)}`
}
