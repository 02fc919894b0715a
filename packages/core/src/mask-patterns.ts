/** Shorter values occur in ordinary text, and masking them would garble it: actions/runner#326. */
export const SHORTEST_SECRET = 6
const SHORTEST_LINE = 8

/** Every text that one of the values may turn into on its way to an output, longest first. */
export function literalPatterns(values: readonly string[]): string[] {
  const patterns = new Set<string>()
  for (const value of values) {
    for (const form of valueForms(value)) {
      if (form.length >= SHORTEST_SECRET) patterns.add(form)
    }
  }
  return [...patterns].toSorted((one, other) => other.length - one.length)
}

function valueForms(value: string): string[] {
  const trimmed = value.trim()
  const lines = value.split(/\r?\n/).map((line) => line.trim())
  return [
    value,
    ...(lines.length > 1 ? lines.filter((line) => line.length >= SHORTEST_LINE) : []),
    ...new Set([value, trimmed].flatMap(encodedForms)),
  ]
}

function encodedForms(value: string): string[] {
  const bytes = Buffer.from(value)
  const percent = encodeURIComponent(value.toWellFormed())
  const json = JSON.stringify(value).slice(1, -1)
  const hex = bytes.toString('hex')
  return [
    value,
    ...base64Forms(bytes),
    percent,
    percent.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    percent.replaceAll('%20', '+'),
    json,
    JSON.stringify(json).slice(1, -1),
    value.replaceAll("'", `'\\''`),
    hex,
    hex.toUpperCase(),
  ]
}

/**
 * The value's base64, and the characters that are the same whatever surrounds the value, when it stands at each of the three
 * possible offsets of a longer text (`user:password` of a basic authorization).
 */
function base64Forms(bytes: Buffer): string[] {
  const padded = bytes.toString('base64')
  const forms = [padded, padded.replace(/=+$/, '')]
  for (const offset of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
    const settled = Math.floor((shifted.length * 8) / 6)
    // A character of base64 holds 6 bits: one byte before the value decides 2 characters, two bytes decide 3.
    const first = offset === 0 ? 0 : offset + 1
    forms.push(shifted.toString('base64').slice(first, settled))
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}
