import { factsText } from '../reporters/facts.ts'
import { formatDuration } from '../reporters/format.ts'
import type { SymbolName } from '../reporters/symbols.ts'
import type { Report, ReportPart, ReportStep } from './report.ts'
import { killedText } from './status-text.ts'

/** What is slower or faster by less is the machine's mood. */
const worthSaying = { ms: 300, share: 0.1 }

const symbols: Record<ReportStep['result'], SymbolName> = {
  done: 'done',
  unchanged: 'done',
  skipped: 'skipped',
  failed: 'failed',
  timeout: 'failed',
  cancelled: 'warning',
  running: 'running',
  waiting: 'working',
  unbegun: 'skipped',
  cut: 'failed',
  lost: 'failed',
}

/** An optional step's failure is a warning; that of a ladder's rung is part of the climb. */
export function symbolOf({ result, optional, of }: ReportStep): SymbolName {
  if (symbols[result] !== 'failed') return symbols[result]
  if (of !== undefined) return 'skipped'
  return optional ? 'warning' : 'failed'
}

/** The colour of a step in a drawing: the name of its class. */
export function colourOf(step: ReportStep): string {
  if (step.result === 'unchanged') return 'unchanged'
  return symbolOf(step) === 'working' ? 'skipped' : symbolOf(step)
}

/** `ready, 6.2 s after it began at 2026-11-21 10:30:02 UTC`, `ended with exit code 0 after 20 s, began …`. */
export function headText(report: Report): string {
  const { state, exitCode, killedAt, startedAt, durationMs } = report
  const time = formatDuration(durationMs)
  const began = `${new Date(startedAt).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  if (state === 'lost') return `lost, last heard of ${time} after it began at ${began}`
  if (state !== 'ended') return `${state}, ${time} after it began at ${began}`
  if (killedAt === undefined)
    return `ended with exit code ${exitCode} after ${time}, began ${began}`
  return `ended: ${killedText({ killedAt, startedAt, exitCode })}, began ${began}`
}

/** How a part of a life ended. */
export function resultText({ name, result }: ReportPart): string {
  return result === 'ready' && name !== 'boot' ? 'complete' : (result ?? 'running')
}

/** What its error says of the cure; empty where it says nothing. */
export function cureText({ error }: ReportStep): string {
  return error?.hint === undefined ? '' : `To fix: ${error.hint}`
}

/** What became of a step, in words: `41,812 files, 3.1 GiB`, `failed (optional): …, at the 3rd attempt`. */
export function outcomeText(step: ReportStep): string {
  const { result, reason, error, facts, optional, attempts } = step
  const tries = attempts > 1 ? `${attempts} attempts` : ''
  const because = error?.message ?? reason ?? ''
  const known = factsText(facts ?? {})
  if (result === 'done') return joined(reason ?? '', known, tries)
  if (result === 'unchanged' || result === 'skipped') {
    return `${result}${colon(joined(reason ?? '', known))}`
  }
  if (result === 'running' || result === 'waiting') return joined(result, tries)
  if (result === 'unbegun') return 'it never began'
  if (result === 'cut') return 'cut: Berth ended it before it was done'
  if (result === 'lost') return 'lost: the supervisor was gone before it ended'
  const verdict = step.of === undefined ? `${result}${optional ? ' (optional)' : ''}` : 'refused'
  return joined(`${verdict}${colon(because)}`, tries)
}

/** How much longer or shorter than in the boot before: `+11.2 s`, `-0.8 s`; empty where it does not matter. */
export function changeText({
  durationMs,
  lastBootMs,
}: {
  durationMs: number
  lastBootMs?: number
}): string {
  if (lastBootMs === undefined) return ''
  const difference = durationMs - lastBootMs
  const isSmall = Math.abs(difference) < Math.max(worthSaying.ms, lastBootMs * worthSaying.share)
  return isSmall ? '' : `${difference > 0 ? '+' : '-'}${formatDuration(Math.abs(difference))}`
}

/** `critical path: volume → venv, 14.9 s, 93 % of the boot`. */
export function pathText({ name, criticalPath: path }: ReportPart): string {
  if (path === undefined) return ''
  const share = Math.round(path.share * 100)
  return `critical path: ${path.steps.join(' → ')}, ${formatDuration(path.durationMs)}, ${share} % of the ${name}`
}

/** `slower than in the last boot: deps +11.2 s (6.8 s, now 18.0 s)`, and the same of what was faster. */
export function comparisonTexts({ parts }: Report): string[] {
  const changed = parts
    .flatMap(({ steps }) => steps)
    .filter((step) => changeText(step) !== '')
    .toSorted((one, other) => gainOf(other) - gainOf(one))
  const slower = changed.filter((step) => gainOf(step) > 0)
  const faster = changed.filter((step) => gainOf(step) < 0).toReversed()
  return [
    ...(slower.length === 0
      ? []
      : [`slower than in the last boot: ${slower.map(change).join(', ')}`]),
    ...(faster.length === 0
      ? []
      : [`faster than in the last boot: ${faster.map(change).join(', ')}`]),
  ]
}

/** How main ended, or that it runs. */
export function mainText({ main, state }: Report): string {
  if (main === undefined) return ''
  const duration = formatDuration(main.durationMs)
  const ready =
    main.readyAt === undefined
      ? ''
      : `ready after ${formatDuration(main.readyAt - main.startedAt)}, `
  const isOver = state === 'lost' || state === 'ended'
  if (main.fate === 'lost' || (main.endedAt === undefined && isOver)) {
    return `${ready}last heard of after ${duration}`
  }
  if (main.endedAt === undefined) return `${ready}running for ${duration}`
  if (main.fate === 'put-away') return `${ready}ended by \`berth shutdown\` after ${duration}`
  const how = main.signal == null ? `ended with ${main.code}` : `ended by ${main.signal}`
  return `${ready}${how} after ${duration}`
}

/** `12 rounds while main ran, 1 failed`. */
export function roundsText({ rounds: { count, failed } }: Report): string {
  if (count === 0) return ''
  return `${count} round${count === 1 ? '' : 's'} of saving while main ran${failed === 0 ? '' : `, ${failed} failed`}`
}

function change(step: ReportStep): string {
  return `${step.id} ${changeText(step)} (${formatDuration(step.lastBootMs ?? 0)}, now ${formatDuration(step.durationMs)})`
}

function gainOf({ durationMs, lastBootMs }: ReportStep): number {
  return durationMs - (lastBootMs ?? durationMs)
}

function joined(...texts: string[]): string {
  return texts.filter((text) => text !== '').join(', ')
}

function colon(text: string): string {
  return text === '' ? '' : `: ${text}`
}
