import { median, spread } from '../statistics.ts'
import { CHECK_TARGET_MS } from './check-recipe.ts'
import type { StartTimes } from './measure-starts.ts'

/** The tables of what starts how soon. */
export function writeStarts(starts: readonly StartTimes[], checks: readonly number[]): string {
  const rows = starts.map((start) => {
    if (start.missing !== undefined) return `| ${start.name} | ${start.missing} | | | | |`
    const base = starts.find(({ name }) => name === start.over)
    const cells = [
      start.name,
      `${ms(median(start.ms))} ± ${Math.round(spread(start.ms) * 100)} %`,
      ms(Math.min(...start.ms)),
      base === undefined ? '' : `${ms(median(over(start, base)))} over ${base.name}`,
      start.targetMs === undefined ? '' : verdict(start, base),
      ms(median(start.cpuMs)),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const [first = Number.NaN, ...others] = checks
  const warm = median(others)
  return [
    [
      '| what | until it has ended, or the app starts | at best | more | target | processor time of its whole life |',
      '| --- | --- | --- | --- | --- | --- |',
      ...rows,
    ].join('\n'),
    starts.map(({ name, about }) => `${name}: ${about}`).join(' · '),
    `A recipe of ten steps is read and checked in ${ms(warm)} by a process that has done it before (target: at most ${CHECK_TARGET_MS} ms; the first time ${ms(first)}).`,
  ].join('\n\n')
}

function verdict(start: StartTimes, base: StartTimes | undefined): string {
  const { targetMs = Number.NaN, ms: own } = start
  const found = median(base === undefined ? own : over(start, base))
  return `${targetMs} ms: ${found <= targetMs ? 'hit' : 'missed'}`
}

/** Of each start and the one beside it: a machine that is slow for a while is slow for both. */
function over({ ms: own }: StartTimes, { ms: base }: StartTimes): number[] {
  return own.map((value, at) => value - (base[at] ?? 0))
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
