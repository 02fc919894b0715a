import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  forgetDebt,
  keepDebt,
  mostDebts,
  owedLives,
  owedText,
  takeOverDebts,
  takeOwedLives,
} from './debts.ts'
import { forgetLife, type Life, writeLife } from './life-file.ts'

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'berth-debts-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

function life(name: string, home: string, mark = `${name} ${home}`): Life {
  return {
    version: 1,
    name,
    recipe: `/${name}.yaml`,
    text: name,
    set: {},
    variables: { vars: { home: { value: home } }, env: {}, unkept: [], secrets: [] },
    workingDirectory: '/',
    graceMs: 1000,
    mark,
    wasUsed: true,
    pipelines: [],
    main: undefined,
  }
}

/** As a boot does it; `until` is where it is killed. */
function boot(state: string, next: Life, until: 'kept' | 'written' | 'end' = 'end'): void {
  keepDebt(state, next)
  if (until === 'kept') return
  writeLife(state, next)
  if (until === 'end') takeOverDebts(state, next)
}

function owed(state: string): string[] {
  return owedLives(state).map(owedText)
}

test('owes each life once, the oldest first, wherever a boot was killed', () => {
  for (const until of ['kept', 'written', 'end'] as const) {
    const state = directory()
    boot(state, life('one', '/a'))
    boot(state, life('one', '/b'), until)
    const second = until === 'kept' ? [] : ['one (home=/b)']
    expect(owed(state)).toEqual(['one (home=/a)', ...second])
    boot(state, life('two', '/a'), until)
    const third = until === 'kept' ? [] : ['two (home=/a)']
    expect(owed(state)).toEqual(['one (home=/a)', ...second, ...third])
    boot(state, life('one', '/a', 'again'), until)
    const all = until === 'kept' ? ['one (home=/a)'] : [...second, ...third, 'one (home=/a)']
    expect(owed(state)).toEqual(all)
    expect(takeOwedLives(state).map(owedText)).toEqual(all)
    forgetLife(state)
    expect(owed(state), 'nothing comes again when the last was put away').toEqual(all.slice(0, -1))
  }
})

test('counts no debt that was not written to its end, and keeps the outputs of its steps', () => {
  const state = directory()
  boot(state, life('one', '/a'))
  writeFileSync(join(state, 'steps.json'), '{}')
  mkdirSync(join(state, 'debts/1.new'), { recursive: true })
  cpSync(join(state, 'life.json'), join(state, 'debts/1.new/life.json'))
  expect(owed(state)).toEqual(['one (home=/a)'])
  boot(state, life('two', '/a'))
  expect(readdirSync(join(state, 'debts'))).toEqual(['1'])
  expect(readdirSync(join(state, 'debts/1')).toSorted()).toEqual(['life.json', 'steps.json'])
})

test('keeps so many, and tells which it drops', () => {
  const state = directory()
  for (let number = 0; number <= mostDebts; number += 1) boot(state, life(`${number}`, '/a'))
  expect(owed(state)).toHaveLength(mostDebts + 1)
  expect(keepDebt(state, life('last', '/a')).map(owedText)).toEqual(['0 (home=/a)'])
  expect(owed(state)[0]).toBe('1 (home=/a)')
})

test('forgets a debt, and never what is no debt', () => {
  const state = directory()
  boot(state, life('one', '/a'))
  boot(state, life('two', '/a'))
  for (const each of owedLives(state)) forgetDebt(each)
  expect(owed(state)).toEqual(['two (home=/a)'])
})
