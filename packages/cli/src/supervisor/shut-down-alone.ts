import type { BerthEvent } from '@berth/core'
import { chooseReporter } from '../reporters/choose-reporter.ts'
import { openReporter } from '../reporters/reporter.ts'
import { Recorder } from '../report/recorder.ts'
import { bootMark } from './boot-environment.ts'
import { openControl } from './control-socket.ts'
import type { Life } from './life-file.ts'
import { mainMark } from './main-process.ts'
import { processesMarked } from './process-table.ts'
import type { ShutdownEnd } from './shutdown-request.ts'
import { catchSignals } from './signals.ts'
import { Supervisor } from './supervisor.ts'
import { survive } from './survive.ts'

/**
 * Ends a life whose supervisor was killed, in its place: it has claimed the state directory, is asked over the same socket, obeys
 * the same signals, and prints what happens on stderr.
 */
export async function shutDownAlone(
  life: Life,
  { stateDirectory, graceMs }: { stateDirectory: string; graceMs: number | undefined },
): Promise<ShutdownEnd> {
  const signals = catchSignals()
  survive()
  const reporter = await openReporter(chooseReporter({ reporter: undefined, json: false }))
  const mainLives = life.main !== undefined && processesMarked(mainMark, life.main.mark).length > 0
  const { supervisor: own } = life
  const recorder = await Recorder.resume(stateDirectory, { mainLives, supervisor: own })
  const report = (event: BerthEvent): void => {
    reporter.report(event)
    recorder.report(event)
  }
  const { recipe, set, workingDirectory, mark } = life
  const request = {
    recipe,
    set,
    grace: undefined,
    strict: false,
    stateDirectory,
    command: undefined,
    env: { ...process.env, [bootMark]: mark },
    workingDirectory,
    isFirstProcess: false,
  }
  const supervisor = new Supervisor(request, report, { life })
  signals.listen((signal) => supervisor.receive(signal))
  const control = await openControl(stateDirectory, supervisor.controls, report)
  const end = await supervisor.finish(life, graceMs)
  await control.close()
  reporter.close()
  await recorder.close(end.exitCode)
  return end
}
