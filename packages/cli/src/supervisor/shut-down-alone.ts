import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent, PipelineResult } from '@berth/core'
import { exitCodes } from '../exit-codes.ts'
import { chooseReporter } from '../reporters/choose-reporter.ts'
import { openReporter, type Reporter } from '../reporters/reporter.ts'
import { Recorder } from '../report/recorder.ts'
import { bootMark } from './boot-environment.ts'
import { type ControlHandlers, type ControlSocket, openControl } from './control-socket.ts'
import { forgetDebt, type OwedLife, owedText } from './debts.ts'
import { mainMark } from './main-process.ts'
import { processesMarked } from './process-table.ts'
import { type Recalled, recallValues } from './recall.ts'
import type { ShutdownEnd } from './shutdown-request.ts'
import { catchSignals } from './signals.ts'
import { Supervisor } from './supervisor.ts'
import { survive } from './survive.ts'
import { worse } from './worse.ts'

/** A history on a volume that hangs is not waited for. */
const historyMs = 300

export interface AloneRequest {
  stateDirectory: string
  graceMs: number | undefined
  /** Of today, before what was booted with. */
  set: Record<string, string>
}

/**
 * Ends lives whose supervisors were killed or could not put everything away, the oldest first, in their place: it has claimed the state
 * directory, is asked over the same socket, obeys the same signals, and prints what happens on stderr. Throws `cli/other-values`, before
 * anything runs, where what a life booted with is not known any more.
 */
export async function shutDownAlone(
  owed: readonly OwedLife[],
  { stateDirectory, graceMs, set }: AloneRequest,
): Promise<ShutdownEnd> {
  const all = owed.map((each) => ({
    ...each,
    recalled: recallValues(each.life, { env: process.env, set }),
  }))
  const signals = catchSignals()
  survive()
  const reporter = await openReporter(chooseReporter({ reporter: undefined, json: false }))
  const until = graceMs === undefined ? undefined : Date.now() + graceMs
  const whole = Promise.withResolvers<ShutdownEnd>()
  const ends: ShutdownEnd[] = []
  let isStopped = false
  let current: Supervisor | undefined
  let control: ControlSocket | undefined
  for (const one of all) {
    const leftMs = until === undefined ? undefined : until - Date.now()
    if (isStopped || (leftMs !== undefined && leftMs <= 0)) {
      ends.push(notBegun(one))
      continue
    }
    const { supervisor, close } = await begin(one, { reporter, recordsIn: stateDirectory })
    current = supervisor
    signals.listen((signal) => {
      isStopped = true
      supervisor.receive(signal)
    })
    control ??= await openControl(
      stateDirectory,
      handlersOf(() => current?.controls ?? {}, whole.promise),
      (event) => reporter.report(event),
    )
    const end = await supervisor.finish(one.life, leftMs)
    // A line of its history that came later would make its directory again.
    if (one.isDebt) await Promise.race([supervisor.written, sleep(historyMs)])
    if (end.exitCode === exitCodes.right) forgetDebt(one)
    ends.push(end)
    await close(end)
  }
  const end = endOf(ends)
  whole.resolve(end)
  await control?.close()
  reporter.close()
  return end
}

/** One socket for all; whoever waits, waits for the last. */
function handlersOf(current: () => ControlHandlers, whole: Promise<ShutdownEnd>): ControlHandlers {
  return {
    status: (line) => current()['status']?.(line),
    shutdown: (line) => {
      const answer = current()['shutdown']?.(line)
      return line['wait'] === true ? whole : answer
    },
  }
}

async function begin(
  { life, stateDirectory, isDebt, recalled }: OwedLife & { recalled: Recalled },
  { reporter, recordsIn }: { reporter: Reporter; recordsIn: string },
): Promise<{ supervisor: Supervisor; close: (end: ShutdownEnd) => Promise<void> }> {
  const mainLives = life.main !== undefined && processesMarked(mainMark, life.main.mark).length > 0
  const recorder = await Recorder.resume(recordsIn, {
    mainLives,
    supervisor: life.supervisor,
    isLast: !isDebt,
  })
  const report = (event: BerthEvent): void => {
    reporter.report(event)
    recorder?.report(event)
  }
  const say = (level: 'info' | 'warn', text: string): void =>
    report({ type: 'note', level, text, time: Date.now() })
  if (isDebt) say('info', `the shutdown of ${owedText({ life })}, which did not run`)
  for (const text of recalled.notes) say('warn', text)
  const { recipe, workingDirectory, mark } = life
  const request = {
    recipe,
    set: recalled.set,
    grace: undefined,
    strict: false,
    stateDirectory,
    command: undefined,
    env: { ...recalled.env, [bootMark]: mark },
    workingDirectory,
    isFirstProcess: false,
  }
  const supervisor = new Supervisor(request, report, { life })
  return { supervisor, close: async (end) => await recorder?.close(end.exitCode) }
}

function notBegun(owed: OwedLife): ShutdownEnd {
  const summary = `${owedText(owed)}: shutdown not begun`
  return { state: 'ended', result: 'failed', exitCode: exitCodes.failed, shutdownMs: 0, summary }
}

function endOf(ends: readonly ShutdownEnd[]): ShutdownEnd {
  return {
    state: 'ended',
    result: ends.map(({ result }) => result).reduce<PipelineResult>(worse, 'ready'),
    exitCode: Math.max(...ends.map(({ exitCode }) => exitCode)),
    shutdownMs: ends.reduce((sum, { shutdownMs }) => sum + shutdownMs, 0),
    summary: ends.map(({ summary }) => summary).join('; '),
  }
}
