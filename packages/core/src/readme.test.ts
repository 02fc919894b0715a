import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { problemsOf } from './test-plugins.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

test('the recipes of the README are right', async () => {
  const recipes = [...readme.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text)
  expect(recipes.length).toBeGreaterThan(0)
  for (const recipe of recipes) {
    expect(await problemsOf(recipe)).toEqual([])
  }
})

test('the README lists every code that recipes fail with, and no other', () => {
  const sources = readdirSync(new URL('.', import.meta.url), {
    recursive: true,
    encoding: 'utf8',
  }).filter((name) => /^(?!.*\.test).*\.ts$/.test(name))
  const written = sources
    .map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
    .join('\n')
  const codes = new Set([...written.matchAll(/'(recipe\/[a-z-]+)'/g)].map(([, code]) => code))
  for (const noun of ['key', 'input']) {
    codes.add(`recipe/unknown-${noun}`).add(`recipe/missing-${noun}`)
  }
  const listed = new Set([...readme.matchAll(/`(recipe\/[a-z-]+)`/g)].map(([, code]) => code))
  expect([...listed].toSorted()).toEqual([...codes].toSorted())
})
