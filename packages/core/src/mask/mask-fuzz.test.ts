import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineReader } from '../command/line-reader.ts'
import { createMask } from './mask.ts'

/** So many characters of a secret, in any encoding, are a leak. */
const WINDOW = 8

/** None of it is long or mixed enough to be a piece of a secret. */
const surroundings = fc.constantFrom(' ', '\n', '=', ', ', '"', '> ', 'token: ', '\t', '\r\n', '…')

/** Of letters that no word around it holds in a row, with what is special in shells, URLs and JSON. */
const line = fc.string({
  unit: fc.constantFrom(...'QXZJKVWY0123456789+/=_-$\\"\'%&<> !*~{}ü€😀'),
  minLength: 12,
  maxLength: 90,
})
const secret = fc.oneof(
  { weight: 3, arbitrary: line },
  {
    weight: 1,
    arbitrary: fc.array(line, { minLength: 2, maxLength: 4 }).map((all) => all.join('\n')),
  },
)

const bash = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const bare = (text: string): string => text.replaceAll(/[ !"$&'*<>{}\\]/g, '\\$&')

const wrap = (text: string, width: number): string =>
  `\n${(text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join('\n')}\n`

/** What may be written to an output for a value. */
const encodings: Record<string, (value: string) => string> = {
  'as it is': (value) => value,
  'a line of it': (value) => value.split('\n').at(-1) ?? '',
  base64: (value) => Buffer.from(value).toString('base64'),
  'base64 behind one byte': (value) => Buffer.from(`:${value}`).toString('base64'),
  'base64 behind two bytes': (value) => Buffer.from(`a:${value}`).toString('base64'),
  base64url: (value) => Buffer.from(`b:${value}`).toString('base64url'),
  'base64 within lines': (value) =>
    wrap(Buffer.from(`a text: ${value} and more`).toString('base64'), 76),
  'base64 within lines of PEM': (value) =>
    wrap(Buffer.from(`key=${value}\n`).toString('base64'), 64),
  'hex within lines': (value) => wrap(Buffer.from(`key=${value}, and more`).toString('hex'), 60),
  URI: encodeURIComponent,
  form: (value) => new URLSearchParams({ '': value }).toString().slice(1),
  JSON: (value) => JSON.stringify(value),
  'JSON in JSON': (value) => JSON.stringify(JSON.stringify(value)),
  hex: (value) => Buffer.from(value).toString('hex'),
  'shell, quoted': bash,
  'shell, bare': (value) => bare(value.split('\n')[0] ?? ''),
  'URI, line by line': (value) => value.split('\n').map(encodeURIComponent).join('\n'),
  'JSON, line by line': (value) => JSON.stringify(value.split('\n')),
}

/** What shows a part of the value, whatever stands around it. */
function pieces(value: string): Set<string> {
  const found = new Set<string>()
  const add = (text: string) => {
    for (let at = 0; at + WINDOW <= text.length; at++) found.add(text.slice(at, at + WINDOW))
  }
  for (const part of value.split('\n')) {
    add(part)
    add(encodeURIComponent(part))
    add(JSON.stringify(part).slice(1, -1))
    add(Buffer.from(part).toString('hex'))
    add(bare(part))
  }
  for (const offset of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]).toString('base64')
    // The first and last characters hold bits of what stands around.
    const sure = text.slice(offset === 0 ? 0 : 4, -4)
    add(sure)
    add(sure.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return found
}

function leaksIn(shown: string, value: string): string[] {
  const known = pieces(value)
  const found: string[] = []
  for (let at = 0; at + WINDOW <= shown.length; at++) {
    const piece = shown.slice(at, at + WINDOW)
    if (known.has(piece) && !/^[[\]secrt]+$/.test(piece)) found.push(piece)
  }
  return found
}

test.each(Object.keys(encodings))('shows nothing of a secret %s, wherever a chunk ends', (name) => {
  const encode = encodings[name] ?? String
  const input = fc.record({
    value: secret.filter((text) => text.trim().length >= 12 && text.isWellFormed()),
    before: fc.array(surroundings, { maxLength: 6 }),
    between: fc.array(surroundings, { minLength: 1, maxLength: 6 }),
    cuts: fc.array(fc.nat(600), { maxLength: 60 }),
  })
  fc.assert(
    fc.property(input, ({ value, before, between, cuts }) => {
      const text = [...before, encode(value), ...between, encode(value), ...between].join('')
      const bytes = Buffer.from(text)
      const lines: string[] = []
      const reader = createLineReader(createMask({ SECRET: value }), (shown) => lines.push(shown))
      let from = 0
      for (const cut of cuts.toSorted((one, other) => one - other)) {
        reader.write(bytes.subarray(from, Math.max(from, cut)))
        from = Math.max(from, cut)
      }
      reader.write(bytes.subarray(from))
      reader.end()
      const shown = lines.join('\n')
      expect(leaksIn(shown, value), JSON.stringify({ text, shown })).toEqual([])
      expect(shown).toContain('[secret]')
      // A whole text is masked as a stream is.
      expect(leaksIn(createMask({ SECRET: value }).text(text), value)).toEqual([])
    }),
    { numRuns: 300 },
  )
})
