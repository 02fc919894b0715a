import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'

test('shows its value to nobody but those who ask for it', () => {
  const secret = new Secret('hunter2')
  const shown = [
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }),
    Object.values(secret).join(''),
  ]
  expect(shown).toEqual([
    '[secret]',
    '[secret]',
    '{"secret":"[secret]"}',
    '{ secret: [secret] }',
    '',
  ])
  expect(secret.reveal()).toBe('hunter2')
})
