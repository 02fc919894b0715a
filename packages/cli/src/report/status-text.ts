import type { Progress } from '@berth/core'
import { printable } from '../reporters/error-text.ts'
import { formatAmount, formatDuration } from '../reporters/format.ts'
import { plain, type Style, type SymbolName } from '../reporters/symbols.ts'
import type { AwaitedBoot } from './ask-status.ts'
import type { PartStatus, RunningStep, Status } from './status.ts'

const symbols: Record<Status['state'], SymbolName> = {
  none: 'failed',
  booting: 'working',
  ready: 'done',
  degraded: 'warning',
  failed: 'failed',
  stopping: 'running',
  ended: 'skipped',
  lost: 'failed',
}

/** A status for people: the state, and below it what it consists of. */
export function statusText(status: Status, now: number, style: Style = plain): string {
  const { state, recipe, pid, running, failed, warnings, errors } = status
  if (state === 'none') return `${style.symbol('failed')} no boot has run here\n`
  const isOver = state === 'ended' || state === 'lost'
  const lines = [
    `${style.symbol(symbols[state])} ${style.step(recipe ?? '')}  ${state}${stateDetail(status, now)}${isOver ? '' : ` (pid ${pid})`}`,
    ...(status.left === undefined
      ? []
      : [
          `  ${style.symbol('warning')} ${status.left} was not put away: \`berth shutdown\` does it`,
        ]),
    ...(status.owed ?? []).map(
      (life) =>
        `  ${style.symbol('warning')} ${printable(life)} was not put away: \`berth shutdown\` does it${isOver ? '' : ' after this boot'}`,
    ),
    ...partLine('boot', status.boot),
    ...running.map((step) => `  ${style.symbol('working')} ${step.step}: ${runningText(step)}`),
    ...mainLine(status, now),
    ...partLine('deferred', status.deferred),
    ...partLine('shutdown', status.shutdown),
    ...roundsLine(status),
    ...failed.map(
      ({ step, optional, message }) =>
        `  ${style.symbol(optional ? 'warning' : 'failed')} ${step}${optional ? ' (optional)' : ''}: ${printable(message)}`,
    ),
    ...warnings.map((text) => `  ${style.symbol('warning')} ${printable(text)}`),
    ...errors.map((text) => `  ${style.symbol('failed')} ${printable(text)}`),
  ]
  return `${lines.join('\n')}\n`
}

/** What `--wait` waits for where no boot runs, told at once. */
export function awaitedBootText({ last, withinMs }: AwaitedBoot): string {
  const limit = withinMs === undefined ? '' : `, for ${formatDuration(withinMs)}`
  if (last === undefined) return `no boot has run here: waiting for one to begin${limit}\n`
  const isKilled = last.state === 'lost'
  const over = isKilled ? 'its process was killed' : `it ended with exit code ${last.exitCode}`
  return `the boot of ${last.recipe} is over, ${over}: waiting for the next to begin${limit}\n`
}

/** `12.0 s: venv 1.6 GiB of 3.1 GiB, 52 %`, or what it said last. */
function runningText({ sinceMs, attempt, progress, lastLine }: RunningStep): string {
  const bars = progress.filter(({ done, total }) => total === undefined || done < total)
  const said = bars.length > 0 ? bars.map(progressText).join('; ') : printable(lastLine ?? '')
  const again = attempt > 1 ? `, attempt ${attempt}` : ''
  return `${formatDuration(sinceMs)}${again}${said === '' ? '' : `: ${said}`}`
}

/** `venv 1.6 GiB of 3.1 GiB, 52 %`. */
export function progressText({ done, total, unit, label }: Progress): string {
  const amount = formatAmount(done, unit)
  const of = total === undefined ? '' : ` of ${formatAmount(total, unit)}`
  const percent =
    total === undefined || total === 0 ? '' : `, ${Math.floor((done / total) * 100)} %`
  return `${label === undefined ? '' : `${label} `}${amount}${of}${percent}`
}

function stateDetail(status: Status, now: number): string {
  const { state, durationMs = 0, exitCode, deadline, killedAt, startedAt = now } = status
  const time = formatDuration(durationMs)
  if (state === 'ended') {
    return killedAt === undefined
      ? ` with exit code ${exitCode} after ${time}`
      : `: ${killedText({ killedAt, startedAt, exitCode })}`
  }
  if (state === 'lost') return `: its process was killed, last heard of after ${time}`
  if (state === 'booting') return ` for ${time}`
  if (state === 'failed') return `, began ${time} ago`
  if (deadline === undefined || state !== 'stopping') return `, up for ${time}`
  return `, ${formatDuration(Math.max(0, deadline - now))} left`
}

/** How a boot ended that was killed, and that `berth shutdown` put away. */
export function killedText({
  killedAt,
  startedAt,
  exitCode,
}: {
  killedAt: number
  startedAt: number
  exitCode: number | undefined
}): string {
  const verdict = exitCode === 0 ? 'put it away' : 'could not put everything away'
  const heard = `last heard of after ${formatDuration(killedAt - startedAt)}`
  return `it was killed, ${heard}; \`berth shutdown\` ${verdict}`
}

function partLine(name: string, part: PartStatus | undefined): string[] {
  if (part === undefined) return []
  const { result, ended, steps, durationMs } = part
  const isComplete = result === 'ready' && name !== 'boot'
  const verdict = isComplete ? 'complete' : (result ?? `${ended} of ${steps} steps ended`)
  return [`  ${name}: ${verdict}, ${formatDuration(durationMs)}`]
}

function mainLine({ main, state, ...status }: Status, now: number): string[] {
  if (main === undefined) return []
  const { pid, startedAt, ready, endedAt, fate } = main
  if (fate === 'lost' || (endedAt === undefined && (state === 'lost' || state === 'ended'))) {
    const heardAt = endedAt ?? (status.startedAt ?? now) + (status.durationMs ?? 0)
    return [`  main: last heard of after ${formatDuration(heardAt - startedAt)} (pid ${pid})`]
  }
  if (endedAt !== undefined) {
    const by = fate === undefined ? '' : ' by `berth shutdown`'
    return [`  main: ended${by} after ${formatDuration(endedAt - startedAt)}`]
  }
  const verdict = ready ? 'running' : 'not ready yet'
  return [`  main: ${verdict} for ${formatDuration(now - startedAt)} (pid ${pid})`]
}

function roundsLine({ rounds: { count, failed, lastAt, lastResult } }: Status): string[] {
  if (count === 0) return []
  const last =
    lastAt === undefined
      ? ''
      : `, the last at ${new Date(lastAt).toISOString().slice(0, 19)}Z: ${lastResult}`
  return [`  rounds: ${count}${failed === 0 ? '' : `, ${failed} failed`}${last}`]
}
