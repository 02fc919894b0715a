import { printable } from '../reporters/error-text.ts'
import { formatDuration } from '../reporters/format.ts'
import type { Style } from '../reporters/symbols.ts'
import type { SmokeResult } from './smoke.ts'

/** A row for a scenario, and below it what is wrong. */
export function smokeRow(result: SmokeResult, style: Style): string {
  const { scenario, ok, skipped, problems, warnings, hint } = result
  const isGood = ok && warnings.length === 0
  const symbol = skipped !== undefined ? 'skipped' : isGood ? 'done' : ok ? 'warning' : 'failed'
  const lines = [
    `${style.symbol(symbol)} ${style.step(scenario.padEnd(20))} ${skipped ?? timesText(result)}`,
    ...problems.map((text) => `    ${style.symbol('failed')} ${printable(text)}`),
    ...(hint === undefined ? [] : [`      To fix: ${printable(hint)}`]),
    ...warnings.map((text) => `    ${style.symbol('warning')} ${printable(text)}`),
  ]
  return `${lines.join('\n')}\n`
}

function timesText(result: SmokeResult): string {
  const { bootMs, shutdownMs, graceMs, buildMs, repeated, restored } = result
  if (buildMs !== undefined) {
    const again = repeated === 0 ? ', nothing done again' : ''
    return `build ${formatDuration(buildMs)}${again}`
  }
  const isPod = graceMs !== undefined
  const boot =
    bootMs === undefined ? `no ${isPod ? 'boot' : 'build'}` : `boot ${formatDuration(bootMs)}`
  const shutdown =
    shutdownMs === undefined || !isPod
      ? []
      : [`shutdown ${formatDuration(shutdownMs)} of ${formatDuration(graceMs)}`]
  const back =
    restored === 0 ? [] : [`${restored} ${restored === 1 ? 'directory' : 'directories'} restored`]
  return [boot, ...shutdown, ...back].join(', ')
}
