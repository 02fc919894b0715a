import type { BerthEvent } from '@berth/core'
import { Health } from '../health/health.ts'
import { openReporter, type ReporterName } from '../reporters/reporter.ts'
import { keepBootLogSmall } from '../supervisor/boot-log.ts'
import { Recorder } from './recorder.ts'

/** All who want to know what happens in a boot. */
export interface Witnesses {
  report: (event: BerthEvent) => void
  health: Health
  /** Nothing may be reported after it. `code` is the pod's exit code, where it came to one. */
  close: (code: number | undefined) => Promise<void>
}

/** Opens the reporter that prints, the record, and whoever answers over HTTP. */
export async function openWitnesses({
  reporter: name,
  stateDirectory,
  recipe,
  listen,
}: {
  reporter: ReporterName
  stateDirectory: string
  recipe: string
  /** `--health`. */
  listen: string | undefined
}): Promise<Witnesses> {
  const reporter = await openReporter(name)
  const recorder = Recorder.begin(stateDirectory, recipe)
  const leaveLog = keepBootLogSmall(stateDirectory)
  const report = (event: BerthEvent): void => {
    reporter.report(event)
    recorder.report(event)
    health.hear(event)
  }
  const health = new Health({ file: recipe, listen }, (event) => {
    report({ ...event, time: Date.now() })
  })
  return {
    report,
    health,
    close: async (code) => {
      leaveLog()
      health.close()
      reporter.close()
      await recorder.close(code)
    },
  }
}
