import type { MachineFacts } from '../machine.ts'
import type { Cost } from '../measure.ts'
import { median, spread } from '../statistics.ts'
import { percent } from '../units.ts'
import type { StepSeries } from './bench-start.ts'
import type { StartTimes } from './measure-starts.ts'
import { writeStarts } from './report-starts.ts'

interface StartRun {
  date: string
  rounds: number
  steps: number
  machine: MachineFacts
  versions: Record<string, string>
  series: StepSeries[]
  starts: StartTimes[]
  /** Milliseconds of each check of a recipe, the first in its process first. */
  checks: number[]
}

/** What a step may cost over the bare command. */
const TARGET_MS = 15

/** The whole report. */
export function writeStartReport(run: StartRun): string {
  const { date, rounds, steps, machine, versions, series } = run
  const bare = series.find(({ name }) => name === 'bare')
  const rows = series.map((each) =>
    each.missing === undefined ? row(each, run, bare) : none(each),
  )
  const named = ['node', 'task'].flatMap((name) =>
    versions[name] === undefined ? [] : [`${name} ${versions[name]}`],
  )
  return `${[
    '# How soon Berth starts, and what a step costs',
    'Written by `npm run bench -- --suite start`; [README.md](README.md) says what is measured and how. Numbers are medians.',
    [
      `- ${date}, ${rounds} rounds in turned order; a step costs a ${steps - 1}th of what ${steps} cost more than one`,
      `- machine: ${machine.cores} cores (${machine.processor}); ${machine.kernel}; load ${machine.load.toFixed(1)} at the start`,
      `- versions: ${named.join(', ')}`,
    ].join('\n'),
    '## Starts',
    writeStarts(run.starts, run.checks),
    '## A step, beside other programs that run commands',
    [
      '| program | a step | over the bare command | its processor time over the bare command | one step, from start to end |',
      '| --- | --- | --- | --- | --- |',
      ...rows,
    ].join('\n'),
    `The target is at most ${TARGET_MS} ms over the bare command.`,
    series.map(({ name, about }) => `${name}: ${about}`).join(' · '),
  ].join('\n\n')}\n`
}

function row(series: StepSeries, { steps }: StartRun, bare: StepSeries | undefined): string {
  const own = perStep(series, steps, wallOf)
  const over = (of: (cost: Cost) => number): string => {
    if (bare === undefined || bare === series) return ''
    const floor = perStep(bare, steps, of)
    // Of each round for itself: a machine that is slow in one round is slow for both.
    return ms(median(perStep(series, steps, of).map((value, at) => value - (floor[at] ?? 0))))
  }
  const cells = [
    series.name,
    `${ms(median(own))} ± ${percent(Math.abs(spread(own)))}`,
    over(wallOf),
    over(({ cpuSeconds }) => cpuSeconds),
    ms(median(series.one.map(wallOf))),
  ]
  return `| ${cells.join(' | ')} |`
}

function none({ name, missing = '' }: StepSeries): string {
  return `| ${name} | ${missing} | | | |`
}

function wallOf({ wallSeconds }: Cost): number {
  return wallSeconds
}

/** The seconds of one step in each round. */
function perStep({ one, many }: StepSeries, steps: number, of: (cost: Cost) => number): number[] {
  return many.map((cost, at) => (of(cost) - of(one[at] ?? cost)) / (steps - 1))
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`
}
