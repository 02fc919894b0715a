import { printable } from '../reporters/error-text.ts'
import { formatDuration } from '../reporters/format.ts'
import { plain, type Style } from '../reporters/symbols.ts'
import type { Report, ReportPart, ReportStep } from './report.ts'
import {
  changeText,
  comparisonTexts,
  cureText,
  headText,
  mainText,
  outcomeText,
  pathText,
  resultText,
  roundsText,
  symbolOf,
} from './report-words.ts'

/** Of a cell, in eighths. */
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

const widestName = 24

export interface TextLayout {
  /** How wide the terminal is. */
  columns: number
  style: Style
}

/** The report for a terminal or a log: a Gantt chart of each part, and below it what it means. */
export function reportText(
  report: Report,
  layout: TextLayout = { columns: 120, style: plain },
): string {
  const { style } = layout
  const names = report.parts.flatMap(({ steps }) => steps.map((step) => nameOf(step).length))
  const nameWidth = Math.min(widestName, Math.max(8, ...names))
  const barWidth = Math.max(10, Math.min(40, Math.floor((layout.columns - nameWidth) / 3)))
  const widths = { nameWidth, barWidth }
  const main = mainText(report)
  const afterBoot = report.parts.findIndex(({ name }) => name !== 'boot')
  const sections = report.parts.map((part) => partLines(part, widths, style))
  const mainLine = main === '' ? [] : [`${style.step('main')}  ${main}`]
  const lines = sections.toSpliced(afterBoot === -1 ? sections.length : afterBoot, 0, mainLine)
  const told = [
    ...report.parts.map(pathText),
    ...comparisonTexts(report),
    roundsText(report),
    ...report.signals.map(({ name, action }) => `${name}: ${action}`),
    ...report.warnings.map((text) => `${style.symbol('warning')} ${printable(text)}`),
    ...report.errors.map(({ message }) => `${style.symbol('failed')} ${printable(message)}`),
  ].filter((text) => text !== '')
  return [
    `${style.step(report.recipe)}  ${headText(report)}`,
    '',
    ...lines.flat(),
    ...(told.length === 0 ? [] : ['', ...told]),
    '',
  ].join('\n')
}

function partLines(
  part: ReportPart,
  widths: { nameWidth: number; barWidth: number },
  style: Style,
): string[] {
  const changes = part.steps.map((step) => changeText(step).length)
  const changeWidth = Math.max(0, ...changes)
  const total = Math.max(1, part.durationMs)
  const verdict = resultText(part)
  const change = changeText(part)
  const than = change === '' ? '' : `, ${change} against the last boot`
  return [
    `${style.step(part.name)}  ${verdict}, ${formatDuration(part.durationMs)}${than}`,
    ...part.steps.flatMap((step) => {
      const bar = barOf(step, total, widths.barWidth)
      const head = [
        ' ',
        style.step(clip(nameOf(step), widths.nameWidth).padEnd(widths.nameWidth)),
        style.dim('│') + bar.padEnd(widths.barWidth) + style.dim('│'),
        (step.durationMs === 0 ? '' : formatDuration(step.durationMs)).padStart(10),
        ...(changeWidth === 0 ? [] : [changeText(step).padStart(changeWidth)]),
        style.symbol(symbolOf(step)),
        printable(outcomeText(step)),
      ].join(' ')
      const notes = [
        ...step.retries.map(({ attempt, reason }) => `attempt ${attempt}: ${reason}`),
        ...step.warnings,
        ...[step.explain ?? '', cureText(step)].filter((text) => text !== ''),
      ]
      const indent = ' '.repeat(widths.nameWidth + 3)
      return [
        head.trimEnd(),
        ...notes.map((text) => `${indent}${style.symbol('warning')} ${printable(text)}`),
      ]
    }),
  ]
}

/** A bar on the part's scale; what took any time is seen. */
function barOf(
  { startMs, durationMs, result }: ReportStep,
  totalMs: number,
  width: number,
): string {
  if (result === 'waiting' || result === 'unbegun') return ''
  const cells = (ms: number): number => (Math.min(ms, totalMs) / totalMs) * width
  const start = Math.min(width - 1, Math.floor(cells(startMs)))
  if (durationMs === 0) return `${' '.repeat(start)}·`
  const length = Math.min(width - start, cells(startMs + durationMs) - start)
  const whole = Math.floor(length)
  const rest = eighths[Math.floor((length - whole) * 8)] ?? ''
  const bar = '█'.repeat(whole) + rest
  return ' '.repeat(start) + (bar === '' ? '▏' : bar)
}

/** A rung stands below its ladder. */
function nameOf({ id, of }: ReportStep): string {
  return of === undefined ? id : `└ ${id}`
}

function clip(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text
}
