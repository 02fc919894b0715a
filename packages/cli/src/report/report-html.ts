import { formatDuration } from '../reporters/format.ts'
import { escapeHtml, pageHtml } from './page.ts'
import type { Report, ReportPart, ReportStep } from './report.ts'
import {
  changeText,
  colourOf,
  comparisonTexts,
  cureText,
  headText,
  mainText,
  outcomeText,
  pathText,
  resultText,
  roundsText,
} from './report-words.ts'
import { timelineSvg } from './timeline-svg.ts'

/** The report as one page: a drawn timeline of each part, what became of each step, and what it means. */
export function reportHtml(report: Report): string {
  const main = mainText(report)
  const sections = report.parts.map(partHtml)
  const mainSection = main === '' ? [] : [`<h2>main <small>${escapeHtml(main)}</small></h2>`]
  const afterBoot = report.parts.findIndex(({ name }) => name !== 'boot')
  const body = [
    headHtml(report),
    ...sections.toSpliced(afterBoot === -1 ? sections.length : afterBoot, 0, ...mainSection),
    notesHtml(report),
  ].join('\n')
  return pageHtml({ title: `${report.recipe}: ${report.state}`, body })
}

function headHtml(report: Report): string {
  const findings = [...comparisonTexts(report), roundsText(report)].filter((text) => text !== '')
  return [
    `<h1>${escapeHtml(report.recipe)} <small>${escapeHtml(headText(report))}</small></h1>`,
    ...findings.map((text) => `<p>${escapeHtml(text)}</p>`),
  ].join('\n')
}

function partHtml(part: ReportPart): string {
  const change = changeText(part)
  const than = change === '' ? '' : `, ${change} against the last boot`
  const told = `${resultText(part)}, ${formatDuration(part.durationMs)}${than}`
  const path = pathText(part)
  return `<h2>${part.name} <small>${escapeHtml(told)}</small></h2>
${part.steps.length === 0 ? '' : timelineSvg(part)}
${path === '' ? '' : `<p class="dim">${escapeHtml(path)}</p>`}
${part.steps.length === 0 ? '' : tableHtml(part)}`
}

function tableHtml({ steps }: ReportPart): string {
  const rows = steps.map((step) => {
    const notes = [
      ...step.retries.map(({ attempt, reason }) => `attempt ${attempt}: ${reason}`),
      ...step.warnings,
      step.explain ?? '',
      cureText(step),
    ].filter((text) => text !== '')
    const lines = [outcomeText(step), ...notes].filter((text) => text !== '').map(escapeHtml)
    const name = step.name === step.id ? '' : ` <span class="dim">${escapeHtml(step.name)}</span>`
    return `<tr><td>${escapeHtml(step.id)}${name}</td><td class="number">${step.durationMs === 0 ? '' : formatDuration(step.durationMs)}</td><td class="number">${changeText(step)}</td><td>${verdictHtml(step)}</td><td>${lines.join('<br>')}</td></tr>`
  })
  return `<table>
<tr><th>step</th><th>took</th><th>against last</th><th>result</th><th></th></tr>
${rows.join('\n')}
</table>`
}

function verdictHtml(step: ReportStep): string {
  return `<b class="${colourOf(step)}">${step.result}</b>`
}

function notesHtml({ signals, warnings, errors }: Report): string {
  const items = [
    ...signals.map(({ name, action }) => `${name}: ${action}`),
    ...warnings,
    ...errors.map(({ message, code, hint }) => {
      return `${message} (${code})${hint === undefined ? '' : `. To fix: ${hint}`}`
    }),
  ]
  if (items.length === 0) return ''
  return `<h2>said by the supervisor</h2>
<ul>
${items.map((text) => `<li>${escapeHtml(text)}</li>`).join('\n')}
</ul>`
}
