import { formatDuration } from '../reporters/format.ts'
import { escapeHtml } from './page.ts'
import type { ReportPart, ReportStep } from './report.ts'
import { colourOf, outcomeText } from './report-words.ts'

/** In the units of the drawing, which is as wide as the page. */
const [width, labels, rowHeight, barHeight, axisHeight] = [960, 190, 24, 14, 22]

/** About this many times are written below the bars. */
const ticks = 6

/** A part of a life as bars over time; those of the critical path have an outline. */
export function timelineSvg(part: ReportPart): string {
  const total = Math.max(1, part.durationMs)
  const height = part.steps.length * rowHeight + axisHeight
  const x = (ms: number): number => labels + (Math.min(ms, total) / total) * (width - labels - 70)
  const critical = new Set(part.criticalPath?.steps)
  const rows = part.steps.map((step, index) =>
    rowSvg(step, { x, y: index * rowHeight, isCritical: critical.has(step.id) }),
  )
  const title = `Timeline of the ${part.name}: ${formatDuration(part.durationMs)}`
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
${axisSvg(total, x, height)}
${rows.join('\n')}
</svg>`
}

function rowSvg(
  step: ReportStep,
  { x, y, isCritical }: { x: (ms: number) => number; y: number; isCritical: boolean },
): string {
  const [from, to] = [x(step.startMs), x(step.startMs + step.durationMs)]
  const bar =
    step.result === 'waiting' || step.result === 'unbegun'
      ? ''
      : barSvg(step, { from, to, y, isCritical })
  const name = step.of === undefined ? step.id : `└ ${step.id}`
  const duration = step.durationMs === 0 ? '' : formatDuration(step.durationMs)
  const baseline = y + rowHeight / 2 + 4
  return `<g><title>${escapeHtml(`${step.id}: ${outcomeText(step) || step.result}`)}</title>
<text x="0" y="${baseline}">${escapeHtml(name.length > 26 ? `${name.slice(0, 25)}…` : name)}</text>
${bar}<text class="dim" x="${round(to + 6)}" y="${baseline}">${escapeHtml(duration)}</text></g>`
}

function barSvg(
  step: ReportStep,
  { from, to, y, isCritical }: { from: number; to: number; y: number; isCritical: boolean },
): string {
  const classes = `${colourOf(step)}${isCritical ? ' critical' : ''}`
  const top = y + (rowHeight - barHeight) / 2
  return `<rect class="${classes}" x="${round(from)}" y="${top}" width="${round(Math.max(2, to - from))}" height="${barHeight}" rx="2"/>\n`
}

function axisSvg(total: number, x: (ms: number) => number, height: number): string {
  const stepMs = niceStep(total / ticks)
  const bottom = height - axisHeight
  const lines: string[] = []
  for (let ms = 0; ms <= total; ms += stepMs) {
    const at = round(x(ms))
    lines.push(
      `<line class="grid" x1="${at}" y1="0" x2="${at}" y2="${bottom + 4}"/><text class="dim" text-anchor="middle" x="${at}" y="${height - 4}">${formatDuration(ms)}</text>`,
    )
  }
  return lines.join('\n')
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)))
  return ([1, 2, 5, 10].find((factor) => factor * power >= ms) ?? 10) * power
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
