import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineReader } from './line-reader.ts'
import { createMask } from '../mask/mask.ts'

function read(
  chunks: readonly (string | Buffer)[],
  secrets: Record<string, string> = {},
): string[] {
  const lines: string[] = []
  const reader = createLineReader(createMask(secrets), (line) => lines.push(line))
  for (const chunk of chunks) reader.write(Buffer.from(chunk))
  reader.end()
  return lines
}

test('cuts a long line into the same pieces however it comes', () => {
  const text = `${'x'.repeat(40_000)}\nend`
  const whole = read([text])
  expect(whole.map((line) => line.length)).toEqual([16_384, 16_384, 7232, 3])
  expect(read(text.match(/.{1,999}\n?/gs) ?? [])).toEqual(whole)
})

test('gives the same lines wherever the bytes are cut', () => {
  const text = fc.array(fc.constantFrom('a', 'b€', '\n', '\r\n', ' '), { maxLength: 30 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(100)), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
        (one, other) => one - other,
      )
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
      const lines = parts.join('').split(/\r?\n/)
      expect(read(chunks)).toEqual(lines.at(-1) === '' ? lines.slice(0, -1) : lines)
    }),
  )
})

test('passes on the last state of a progress line that is rewritten', () => {
  expect(read(['1%\r', '2%\r', '3%\r', '100%\ndone\r'])).toEqual(['1%', '100%', 'done'])
})

test('hides a secret that a colour parts, wherever the bytes are cut', () => {
  const link = '\u001B]8;;https://example.com\u001B\\link\u001B]8;;\u0007'
  const text = `token \u001B[01;31mhf_abc\u001B[m\u001B[Kdefghi end\n${link} \u001B(Bplain\n`
  const bytes = Buffer.from(text)
  const cuts = Array.from(bytes, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)])
  for (const chunks of [...cuts, Array.from(bytes, (byte) => Buffer.of(byte))]) {
    expect(read(chunks, { TOKEN: 'hf_abcdefghi' })).toEqual(['token [secret] end', 'link plain'])
  }
})
