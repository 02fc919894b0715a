import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { storeSecrets } from './settings.ts'

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')

test('the README lists every code of an error, and no other', () => {
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
    .join('\n')
  const whole = [...sources.matchAll(/'object-store\/([a-z-]+)'/g)]
  const parts = [...sources.matchAll(/\bcode: '([a-z-]+)'/g)]
  const thrown = new Set([...whole, ...parts].map(([, code]) => code))
  const listed = new Set([...readme.matchAll(/`object-store\/([a-z-]+)`/g)].map(([, code]) => code))
  expect([...listed].toSorted()).toEqual([...thrown].toSorted())
})

test('the README names every variable that holds a credential', () => {
  expect(storeSecrets.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
})
