import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMask, credentialVariables } from './mask.ts'

const KEY = 'kJ8/+d9f&Q "x" s3cr3t'

function streamed(mask: ReturnType<typeof createMask>, text: string, cuts: number[]): string {
  const stream = mask.stream()
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted(
    (one, other) => one - other,
  )
  let shown = ''
  let at = 0
  for (const place of [...places, text.length]) {
    shown += stream.write(text.slice(at, place))
    at = place
  }
  return shown + stream.end()
}

test.each([
  ['itself', KEY],
  ['in base64', Buffer.from(KEY).toString('base64')],
  ['in base64 of a longer text at offset 1', Buffer.from(`a${KEY}zz`).toString('base64')],
  ['in base64 of a longer text at offset 2', Buffer.from(`ab${KEY}zz`).toString('base64')],
  ['in base64url', Buffer.from(`abc${KEY}`).toString('base64url')],
  ['URI-encoded', encodeURIComponent(KEY)],
  ['form-encoded', new URLSearchParams({ key: KEY }).toString()],
  ['in JSON', JSON.stringify({ key: KEY })],
  ['in JSON within JSON', JSON.stringify(JSON.stringify({ key: KEY }))],
  ['in hex', Buffer.from(KEY).toString('hex')],
])('hides a value %s', (_, text) => {
  const shown = createMask({ KEY }).text(`before ${text} after`)
  expect(shown).toMatch(/^before .{0,14}\[secret\].{0,8} after$/)
})

test('hides all of a long value in lines of base64 and of hex', () => {
  const value = Array.from({ length: 30 }, (_, index) => `part ${index}`).join(';')
  const mask = createMask({ KEY: value })
  const lines = (text: string, width: number) => text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  const texts = [
    ...lines(Buffer.from(value).toString('base64'), 76),
    ...lines(Buffer.from(`${value}\n`).toString('base64'), 76),
    ...lines(Buffer.from(`${value}\n`).toString('base64'), 64),
    ...lines(Buffer.from(value).toString('hex'), 60),
  ]
  for (const line of texts) expect(mask.text(`${line}\n`)).toMatch(/^(\[secret\])?.{0,7}\n$/)
})

test.each(['declare -p KEY', `printf '%q\\n' "$KEY"`, 'set -x; : "$KEY"', 'set | grep -A2 ^KEY='])(
  'hides a value as bash writes it by `%s`',
  (command) => {
    for (const value of [
      KEY,
      `${KEY}\ttab'quote`,
      `two\nlines of 'it'`,
      'ünïcode *?~#!(){}[]^;|<>,',
    ]) {
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', `(${command}) 2>&1`], {
        env: { PATH: process.env['PATH'], KEY: value },
        encoding: 'utf8',
      })
      const shown = createMask({ KEY: value }).text(stdout + stderr)
      expect(shown).toContain('[secret]')
      expect(shown).not.toMatch(/s3cr3t|quote|lines|code/)
    }
  },
)

test('hides each long line of a value of several lines', () => {
  const mask = createMask({ KEY: '-----BEGIN KEY-----\nabcdefgh12345\nshort\n' })
  expect(mask.text('x abcdefgh12345 y short')).toBe('x [secret] y short')
})

test('reports values that are too short to hide', () => {
  const mask = createMask({ PIN: '12345', EMPTY: '', TOKEN: 'long enough' })
  expect(mask.unmaskable).toEqual(['PIN'])
  expect(mask.text('12345 long enough')).toBe('12345 [secret]')
})

test('hides both of two values that overlap', () => {
  expect(createMask({ A: 'abcdef', B: 'defghijkl' }).text('-abcdefghijkl-')).toBe('-[secret]-')
})

test('hides signatures, authorization headers and the user of a URL that nobody registered', () => {
  const mask = createMask({})
  expect(mask.text('GET https://h/k?X-Amz-Credential=AK%2F1&X-Amz-Signature=abc123&x=1')).toBe(
    'GET https://h/k?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]&x=1',
  )
  expect(mask.text('> Authorization: Bearer abc def\r\n> Host: h')).toBe(
    '> Authorization: [secret]\r\n> Host: h',
  )
  expect(mask.text('{"authorization":"Basic abc","x":1}')).toBe(
    '{"authorization":"[secret]","x":1}',
  )
  expect(mask.text('git clone https://me:pw@example.com/x')).toBe(
    'git clone https://[secret]@example.com/x',
  )
})

test('leaves ordinary text alone and passes it on at once', () => {
  const stream = createMask({ KEY }).stream()
  expect(stream.write('collecting numpy\nhttps://pypi.org/simple\n')).toBe(
    'collecting numpy\nhttps://pypi.org/simple\n',
  )
})

test('hides the texts of an event but not what programs read in it', () => {
  const mask = createMask({ A: 'failed', B: 'volume' })
  expect(
    mask.event({
      type: 'step:end',
      step: 'volume',
      phase: 'run',
      result: 'failed',
      optional: false,
      durationMs: 1,
      reason: 'it failed',
      facts: { volume: ['on volume'] },
    }),
  ).toEqual({
    type: 'step:end',
    step: 'volume',
    phase: 'run',
    result: 'failed',
    optional: false,
    durationMs: 1,
    reason: 'it [secret]',
    facts: { '[secret]': ['on [secret]'] },
  })
  expect(
    mask.event({
      type: 'pipeline:start',
      pipeline: 'boot',
      recipe: 'r',
      steps: [{ id: 'volume', name: 'find volume', optional: false, needs: [] }],
    }),
  ).toEqual({
    type: 'pipeline:start',
    pipeline: 'boot',
    recipe: 'r',
    steps: [{ id: 'volume', name: 'find [secret]', optional: false, needs: [] }],
  })
})

test('finds credentials in an environment by their names', () => {
  expect(
    credentialVariables({
      HF_TOKEN: 'hf_abcdef',
      AWS_SECRET_ACCESS_KEY: 'abcdefgh',
      RUNPOD_S3_ACCESS_KEY: 'user_1',
      BERTH_SSE_C_KEY: 'abcdefghi',
      PGPASSWORD: 'abcdefghj',
      SHORT_TOKEN: 'x',
      PATH: '/usr/bin',
      AWS_ACCESS_KEY_ID: 'AKIAABCD',
    }),
  ).toEqual({
    HF_TOKEN: 'hf_abcdef',
    AWS_SECRET_ACCESS_KEY: 'abcdefgh',
    RUNPOD_S3_ACCESS_KEY: 'user_1',
    BERTH_SSE_C_KEY: 'abcdefghi',
    PGPASSWORD: 'abcdefghj',
  })
})

const secret = fc.oneof(
  fc.string({ minLength: 6, maxLength: 20 }),
  // Few letters, so that secrets overlap with themselves and with each other.
  fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 6, maxLength: 9 }),
  fc.string({ unit: 'grapheme', minLength: 6, maxLength: 20 }),
)
const surroundings = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: fc.constantFrom('a', 'b', '\n', ':', '/', '@'), maxLength: 12 }),
  fc.constantFrom('Authorization: Bearer ', 'X-Amz-Signature=', 'https://', 'autho', '&', '\n'),
)

test('hides the same wherever the text is cut into chunks', () => {
  const pieces = (secrets: string[]) =>
    fc.array(
      fc.oneof(
        surroundings,
        fc.constantFrom(...secrets),
        fc.constantFrom(...secrets).map((value) => Buffer.from(value).toString('base64')),
      ),
      { maxLength: 12 },
    )
  const input = fc.array(secret, { minLength: 1, maxLength: 4 }).chain((secrets) =>
    fc.record({
      secrets: fc.constant(secrets),
      pieces: pieces(secrets),
      cuts: fc.array(fc.nat(400), { maxLength: 40 }),
    }),
  )
  fc.assert(
    fc.property(input, ({ secrets, pieces, cuts }) => {
      const mask = createMask(
        Object.fromEntries(secrets.map((value, index) => [`S${index}`, value])),
      )
      const text = pieces.join('')
      const whole = mask.text(text)
      expect(streamed(mask, text, cuts).split('\n').map(mask.line).join('\n')).toBe(whole)
      // A token may itself be the text of a secret.
      const rest = whole.replaceAll('[secret]', '\0')
      expect(secrets.filter((value) => value.trim().length >= 6 && rest.includes(value))).toEqual(
        [],
      )
    }),
    { numRuns: 1000 },
  )
})
