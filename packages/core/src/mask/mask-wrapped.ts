import { SHORTEST_LINE, unbrokenForms } from './mask-patterns.ts'

/** A line of nothing but base64 or hex, as `base64`, PEM and `xxd` write a longer text; it may be as short as a word. */
const WRAPPED = /^[A-Za-z0-9+/_-]{8,}={0,2}$/

/** Hides what a line of broken base64 or hex shows of a secret; how much depends on where in the whole text that stood. */
export function createLineSearch(
  values: readonly string[],
  hidden: string,
): (line: string) => string {
  const forms = [...new Set(values.flatMap(unbrokenForms))]
    .filter((form) => form.length >= SHORTEST_LINE)
    .map((form) => ({
      form,
      start: form.slice(0, SHORTEST_LINE),
      end: form.slice(-SHORTEST_LINE),
    }))
  const hidePart = (part: string): string => {
    if (!WRAPPED.test(part)) return part
    const bare = part.replace(/=+$/, '')
    let [from, to] = [0, part.length]
    for (const { form, start, end } of forms) {
      if (form.includes(bare)) return hidden
      from = Math.max(from, endOfTail(bare, form, end))
      to = Math.min(to, startOfHead(bare, form, start) ?? to)
    }
    if (to <= from) return hidden
    return `${from > 0 ? hidden : ''}${part.slice(from, to)}${to < part.length ? hidden : ''}`
  }
  // What was hidden already parts a line.
  return (line) =>
    line.includes(hidden) ? line.split(hidden).map(hidePart).join(hidden) : hidePart(line)
}

/** Where the end of a form ends with which the line begins; 0 when there is none. */
function endOfTail(line: string, form: string, end: string): number {
  for (let at = line.lastIndexOf(end); at !== -1; at = line.lastIndexOf(end, at - 1)) {
    const length = at + end.length
    if (form.endsWith(line.slice(0, length))) return length
    if (at === 0) break
  }
  return 0
}

/** Where the beginning of a form begins with which the line ends. */
function startOfHead(line: string, form: string, start: string): number | undefined {
  for (let at = line.indexOf(start); at !== -1; at = line.indexOf(start, at + 1)) {
    if (form.startsWith(line.slice(at))) return at
  }
  return undefined
}
