import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { variablesText } from './kept-variables.ts'
import { type Life, readLife, writeLife } from './life-file.ts'

/** A life that was not put away, and the state that its shutdown works with: its outputs, and for the last one what it must take back. */
export interface OwedLife {
  life: Life
  stateDirectory: string
  /** Another recipe, or other values, have booted since: what it did was taken back by that boot, and nothing saved. */
  isDebt: boolean
}

/** So many lives of other recipes or values are kept. */
export const mostDebts = 8

/** The lives of a state directory that nobody has put away, the oldest first; the last may be running. Changes nothing. */
export function owedLives(stateDirectory: string): OwedLife[] {
  const last = readLife(stateDirectory)
  const debts = debtsIn(stateDirectory)
  if (last === undefined) return debts
  // One that the same recipe has taken over, or that a kill has left in both places.
  const others = debts.filter(({ life }) => !isSameWork(life, last))
  return [...others, { life: last, stateDirectory, isDebt: false }]
}

/** The same, for whoever puts them all away: what the last one does for others is owed no more. */
export function takeOwedLives(stateDirectory: string): OwedLife[] {
  const last = readLife(stateDirectory)
  if (last !== undefined) takeOverDebts(stateDirectory, last)
  return owedLives(stateDirectory)
}

/**
 * Keeps the last life apart, for `berth shutdown`, before that of another recipe, or of other values, takes its place; one of the same is
 * taken over by its successor. Returns those that are owed no more because there are too many. A kill at any point neither loses nor
 * doubles one.
 */
export function keepDebt(stateDirectory: string, next: Life): OwedLife[] {
  const last = readLife(stateDirectory)
  if (last === undefined || isSameWork(last, next)) return []
  const directory = join(stateDirectory, 'debts')
  const debts = debtsIn(stateDirectory)
  const number = Math.max(0, ...numbersIn(directory)) + 1
  const unfinished = join(directory, `${number}.new`)
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true, mode: 0o700 })
  const outputs = join(stateDirectory, 'steps.json')
  if (existsSync(outputs)) copyFileSync(outputs, join(unfinished, 'steps.json'))
  writeLife(unfinished, last)
  renameSync(unfinished, join(directory, String(number)))
  const [same, others] = [debts.filter(isOf(last)), debts.filter((debt) => !isOf(last)(debt))]
  const tooMany = others.slice(0, Math.max(0, others.length + 1 - mostDebts))
  for (const debt of [...same, ...tooMany]) forgetDebt(debt)
  return tooMany
}

/** After the life that has begun was written: what it does at its end it does for its forerunners too. */
export function takeOverDebts(stateDirectory: string, life: Life): void {
  for (const debt of debtsIn(stateDirectory).filter(isOf(life))) forgetDebt(debt)
}

/** It was put away, or another does it. */
export function forgetDebt({ stateDirectory, isDebt }: OwedLife): void {
  if (isDebt) rmSync(stateDirectory, { recursive: true, force: true })
}

/** `comfyui (home=/a)`: which life it is, for people. */
export function owedText({ life }: Pick<OwedLife, 'life'>): string {
  const values = life.variables === undefined ? '' : variablesText(life.variables)
  return `${life.name ?? life.recipe}${values === '' ? '' : ` (${values})`}`
}

function debtsIn(stateDirectory: string): OwedLife[] {
  const directory = join(stateDirectory, 'debts')
  return numbersIn(directory).flatMap((number) => {
    const own = join(directory, String(number))
    const life = readLife(own)
    return life === undefined ? [] : [{ life, stateDirectory: own, isDebt: true }]
  })
}

function numbersIn(directory: string): number[] {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch {
    return []
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((one, other) => one - other)
}

function isOf(life: Life): (debt: OwedLife) => boolean {
  return (debt) => isSameWork(debt.life, life)
}

/** The shutdown of the one does all that the other's would. */
function isSameWork(one: Life, other: Life): boolean {
  return one.mark === other.mark || workOf(one) === workOf(other)
}

function workOf({ recipe, text, set, variables }: Life): string {
  const values =
    variables === undefined
      ? Object.entries(set)
      : Object.entries(variables.vars).map(([name, { value }]) => [name, value])
  return JSON.stringify([recipe, text, values, variables?.env['NETWORK_VOLUME'] ?? null])
}
