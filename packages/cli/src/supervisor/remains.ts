import { setTimeout as sleep } from 'node:timers/promises'
import { bootMark } from './boot-environment.ts'
import { type Life, pidNamespace } from './life-file.ts'
import { mainMark } from './main-process.ts'
import { familyOf } from './process-family.ts'
import { killProcesses, processesMarked, signalProcess } from './process-table.ts'
import type { StopRequest } from './stop-request.ts'

/** How long a pipeline gets that notices that its supervisor is gone: it cancels its steps, or finishes the undo that it is at. */
const pipelinePatienceMs = 5000

/**
 * Ends what a killed supervisor left running: main by its stop signal, and by SIGKILL at half of a grace; pipelines end by themselves, for
 * nobody leads them, and are killed after some seconds; when somebody asks for a stop, both have half of its grace at most. What a step has
 * left running on purpose, as a mount's daemon, stays: the undo stops it.
 */
export async function endRemains(life: Life, stop: StopRequest): Promise<void> {
  const { main } = life
  const isSame = main?.process?.pidNamespace === pidNamespace()
  const family = isSame && main?.process !== undefined ? familyOf(main.process) : undefined
  const ofMain = (): number[] =>
    main === undefined
      ? []
      : [...new Set([...(family?.members() ?? []), ...processesMarked(mainMark, main.mark)])]
  const pipelines = (): number[] =>
    processesMarked(bootMark, life.mark).filter((pid) => life.pipelines.includes(pid))
  const mainDeadline = stop.halfDeadline()
  const pipelinesDeadline = Date.now() + pipelinePatienceMs
  const hurry = (): number => (stop.isRequested ? stop.halfDeadline() : Number.POSITIVE_INFINITY)
  for (const pid of ofMain()) signalProcess(pid, main?.stopSignal ?? 'SIGTERM')
  await Promise.all([
    goneOrKilled(ofMain, () => Math.min(mainDeadline, hurry())),
    goneOrKilled(pipelines, () => Math.min(pipelinesDeadline, hurry())),
  ])
}

async function goneOrKilled(find: () => number[], deadline: () => number): Promise<void> {
  while (Date.now() < deadline() && find().length > 0) await sleep(20)
  await killProcesses(find)
}
