import { setTimeout as sleep } from 'node:timers/promises'
import { bootMark } from './boot-environment.ts'
import { type Life, pidNamespace } from './life-file.ts'
import { mainMark } from './main-process.ts'
import { familyOf } from './process-family.ts'
import { killProcesses, processesMarked, signalProcess } from './process-table.ts'

/** How long a pipeline gets that notices that its supervisor is gone: it cancels its steps, or finishes the undo that it is at. */
const pipelinePatienceMs = 5000

/**
 * Ends what a killed supervisor left running: main by its stop signal, and by SIGKILL at `mainDeadline`; pipelines end by themselves, for
 * nobody leads them, and are killed after some seconds. What a step has left running on purpose, as a mount's daemon, stays: the undo stops it.
 */
export async function endRemains(life: Life, mainDeadline: number): Promise<void> {
  const { main } = life
  const isSame = main?.process?.pidNamespace === pidNamespace()
  const family = isSame && main?.process !== undefined ? familyOf(main.process) : undefined
  const ofMain = (): number[] =>
    main === undefined
      ? []
      : [...new Set([...(family?.members() ?? []), ...processesMarked(mainMark, main.mark)])]
  const pipelines = (): number[] =>
    processesMarked(bootMark, life.mark).filter((pid) => life.pipelines.includes(pid))
  for (const pid of ofMain()) signalProcess(pid, main?.stopSignal ?? 'SIGTERM')
  await Promise.all([
    goneOrKilled(ofMain, mainDeadline),
    goneOrKilled(pipelines, Date.now() + pipelinePatienceMs),
  ])
}

async function goneOrKilled(find: () => number[], deadline: number): Promise<void> {
  while (Date.now() < deadline && find().length > 0) await sleep(20)
  await killProcesses(find)
}
