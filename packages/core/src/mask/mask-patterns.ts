/** Shorter values occur in ordinary text, and masking them would garble it: actions/runner#326. */
export const SHORTEST_SECRET = 6
export const SHORTEST_LINE = 8

/** Where `base64` and MIME, and where PEM and `openssl` break a line. */
const BASE64_WIDTHS = [76, 64]
/** Where `xxd -p` does. */
const HEX_WIDTHS = [60]

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
    ...(lines.length > 1 ? lines.filter((line) => line.length >= SHORTEST_LINE) : []).flatMap(
      lineForms,
    ),
    ...new Set([value, trimmed].flatMap(encodedForms)),
  ]
}

/** Not its base64 and hex, which for the many lines of a key would make all output slow. */
function lineForms(line: string): string[] {
  const json = JSON.stringify(line).slice(1, -1)
  return [line, json, ...uriForms(line), ...quotedForms(line)]
}

function encodedForms(value: string): string[] {
  const bytes = Buffer.from(value)
  const json = JSON.stringify(value).slice(1, -1)
  const hex = bytes.toString('hex')
  return [
    value,
    ...base64Forms(bytes),
    ...uriForms(value),
    json,
    JSON.stringify(json).slice(1, -1),
    ...quotedForms(value),
    hex,
    hex.toUpperCase(),
    ...HEX_WIDTHS.flatMap((width) => wrapped(hex, width)),
  ]
}

function uriForms(value: string): string[] {
  const percent = encodeURIComponent(value.toWellFormed())
  // A form's encoding also escapes `!'()~`, and writes a space as `+`.
  const form = new URLSearchParams([['', value.toWellFormed()]]).toString().slice(1)
  return [percent, percent.replaceAll('%20', '+'), form, form.replaceAll('+', '%20')].flatMap(
    (text) => [text, text.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())],
  )
}

/** As shells write a value that they print: in `'…'`, in `"…"` (`declare -p`), in `$'…'` (`set -x`) and bare (`printf %q`). */
function quotedForms(value: string): string[] {
  const octal = Buffer.from(value).toString('latin1')
  const escaped = (text: string) =>
    text
      .replaceAll('\\', '\\\\')
      .replaceAll('\n', '\\n')
      .replaceAll('\t', '\\t')
      .replaceAll('\r', '\\r')
  const dollar = escaped(octal)
    .replaceAll("'", "\\'")
    .replaceAll(/[\x80-\xff]/g, (byte) => `\\${byte.charCodeAt(0).toString(8)}`)
  return [
    value.replaceAll("'", `'\\''`),
    value.replaceAll(/[$`"\\]/g, '\\$&'),
    value.replaceAll(/[\s|&;()<>!{}*[\]?^$'"`\\,]/g, '\\$&'),
    escaped(value),
    escaped(value).replaceAll("'", "\\'"),
    dollar,
  ]
}

/**
 * The value's base64, and the characters that are the same whatever surrounds the value, when it stands at each of the three
 * possible offsets of a longer text (`user:password` of a basic authorization).
 */
function base64Forms(bytes: Buffer): string[] {
  const padded = bytes.toString('base64')
  const forms = [padded, padded.replace(/=+$/, '')]
  for (const offset of [0, 1, 2]) forms.push(settledBase64(bytes, offset))
  return [
    ...forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]),
    // Without the end, which depends on whether a line feed follows the value.
    ...BASE64_WIDTHS.flatMap((width) => wrapped(settledBase64(bytes, 0), width)),
  ]
}

/** What is sure of the value's base64 and hex wherever it stands in a longer text; of more than a word, for that may be broken into lines. */
export function unbrokenForms(value: string): string[] {
  return [...new Set([value, value.trim()])].flatMap((text) => {
    const bytes = Buffer.from(text)
    const base64 = [0, 1, 2].map((offset) => settledBase64(bytes, offset))
    const hex = bytes.toString('hex')
    const url = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))
    return [...base64, ...url, hex, hex.toUpperCase()]
  })
}

function settledBase64(bytes: Buffer, offset: number): string {
  const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
  const settled = Math.floor((shifted.length * 8) / 6)
  // A character of base64 holds 6 bits: one byte before the value decides 2 characters, two bytes decide 3.
  const first = offset === 0 ? 0 : offset + 1
  return shifted.toString('base64').slice(first, settled)
}

/** The lines of a text that a program breaks, where it does. */
function wrapped(text: string, width: number): string[] {
  if (text.length <= width) return []
  const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return lines.filter((line) => line.length >= SHORTEST_LINE)
}
