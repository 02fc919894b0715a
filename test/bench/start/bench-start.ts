import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Arguments } from '../arguments.ts'
import { readMachine } from '../machine.ts'
import { type Cost, measure } from '../measure.ts'
import { missingProgram, readVersions, searchPath } from '../programs.ts'
import { timeChecks } from './check-recipe.ts'
import { measureStarts } from './measure-starts.ts'
import { writeStartReport } from './report-start.ts'
import { type Runner, runners } from './runners.ts'

/** A step costs what so many cost more than one, by their number. */
const STEPS = 51

/** What a program needs for one step and for many, in each round. */
export interface StepSeries {
  name: string
  about: string
  /** Why it could not be measured. */
  missing?: string
  one: Cost[]
  many: Cost[]
}

/**
 * `npm run bench -- --suite start`: how soon Berth, and the app in its container, starts, and what a step costs over the bare command, beside
 * other programs that run commands. Writes START.md.
 */
export async function benchStart(
  { quick, rounds, cores }: Arguments,
  folder: string,
): Promise<void> {
  const shared = fs.existsSync('/dev/shm') ? '/dev/shm' : '/tmp'
  const work = fs.mkdtempSync(path.join(shared, 'berth-bench-'))
  try {
    const machine = readMachine(work)
    const steps = quick ? 6 : STEPS
    const series: StepSeries[] = runners().map(({ name, about, needs }) => {
      const missing = missingProgram(needs)
      return { name, about, one: [], many: [], ...(missing === undefined ? {} : { missing }) }
    })
    const present = runners().filter((_, index) => series[index]?.missing === undefined)
    const processors = cores === undefined ? '' : `0-${cores - 1}`
    const env = { PATH: searchPath(), HOME: work }
    const run = async (runner: Runner, count: number): Promise<Cost> => {
      const command = runner.prepare(path.join(work, `${runner.name}-${count}`), count)
      return measure([[command]], { env, folder: work, processors })
    }
    // The first start of a program reads it from the disk.
    for (const runner of present) await run(runner, 1)
    for (let round = 0; round < rounds; round += 1) {
      // In turned order, so that what disturbs the machine for a while disturbs all.
      const turned = present.map((_, at) => present[(at + round) % present.length] as Runner)
      for (const runner of turned) {
        const found = series.find(({ name }) => name === runner.name)
        found?.one.push(await run(runner, 1))
        found?.many.push(await run(runner, steps))
      }
    }
    const starts = await measureStarts(rounds, { env, folder: work, processors })
    const checks = await timeChecks(work, quick ? 3 : 50)
    const date = new Date().toISOString().slice(0, 10)
    const report = writeStartReport({
      date,
      rounds,
      steps,
      machine,
      versions: readVersions(),
      series,
      starts,
      checks,
    })
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'START.md'), report)
    console.log(report)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}
