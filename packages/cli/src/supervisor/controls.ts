import type { NewEvent, PipelineResult } from '@berth/core'
import type { ControlHandlers } from './control-socket.ts'
import { readShutdownRequest, type ShutdownEnd } from './shutdown-request.ts'
import type { StopRequest } from './stop-request.ts'

export type LifePhase = 'boot' | 'main' | 'shutdown' | 'ended'

/** What the control socket may know of a life. */
export interface LifeFacts {
  /** Its name, or the file's until that is known. */
  recipe: string
  phase: LifePhase
  startedAt: number
  /** How the boot ended, when it has. */
  boot: PipelineResult | undefined
  /** While it runs; `ready` is null where the recipe does not say how main shows it. */
  main: { pid: number; ready: boolean | null } | undefined
}

/** A life as its control socket sees it. */
export interface ControlledLife {
  stop: StopRequest
  facts: () => LifeFacts
  /** Tells what runs that it must stop; answers what was done. */
  beginStop: () => string
  /** Resolves when everything is put away, or can't be. */
  finished: Promise<ShutdownEnd>
  emit: (event: NewEvent) => void
}

/** What the control socket of a life answers to. A handler takes a request that may hold any JSON, and gives JSON. */
export function controlsOf(life: ControlledLife): ControlHandlers {
  return {
    status: () => statusOf(life),
    shutdown: (request) => shutDownFor(life, request),
  }
}

function statusOf({ facts, stop }: ControlledLife): unknown {
  const { recipe, phase, startedAt, boot, main } = facts()
  const deadline = stop.deadline() ?? null
  const life = { recipe, phase, startedAt, boot: boot ?? null, main: main ?? null, deadline }
  return { version: 1, pid: process.pid, ...life }
}

function shutDownFor(life: ControlledLife, line: Record<string, unknown>): unknown {
  const { reason, graceMs, wait } = readShutdownRequest(line)
  if (life.facts().phase !== 'ended') {
    life.stop.request({ at: Date.now(), graceMs })
    const because = reason === undefined ? {} : { reason }
    life.emit({ type: 'shutdown:asked', ...because, action: life.beginStop() })
  }
  return wait ? life.finished : { state: 'begun' }
}
