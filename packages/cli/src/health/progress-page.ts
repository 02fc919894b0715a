import type { Life } from '../report/life.ts'
import { escapeHtml, pageHtml } from '../report/page.ts'
import { makeReport } from '../report/report.ts'
import type { Status } from '../report/status.ts'
import { progressText } from '../report/status-text.ts'
import { timelineSvg } from '../report/timeline-svg.ts'
import { formatDuration } from '../reporters/format.ts'

/** The header by which the page knows its own answers from the app's. */
export const progressHeader = 'Berth-Progress'

const seconds = 2

/**
 * Renews the page in place, also over a gap in which nobody has the port, and reloads when the app answers: a browser would stay on its
 * own error page.
 */
const script = `
setInterval(async () => {
  try {
    const answer = await fetch(location.href, { cache: 'no-store' })
    if (answer.headers.get('${progressHeader}') === null) {
      if (answer.status < 500) location.reload()
      return
    }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    document.querySelector('main').replaceWith(page.querySelector('main'))
  } catch {
    document.querySelector('main small').textContent = 'the app is starting'
  }
}, ${seconds * 1000})
`

// Not computed: that would load all of OpenSSL into the supervisor.
const scriptHash = 'P5Olf8N1yaLB76QTpYOxrDMNqt+CJMZAGenX07wODEs='

const words: Partial<Record<Status['state'], string>> = {
  booting: 'is getting ready',
  ready: 'is ready',
  degraded: 'is ready, with something missing',
  failed: 'could not get ready',
  stopping: 'is shutting down',
}

/** How the boot gets on, for people who wait for the app: nothing that a step printed, because whoever has the app's address can see it. */
export function progressPage(life: Life, status: Status): string {
  const report = makeReport(life, { isAlive: true, before: undefined, now: Date.now() })
  const boot = report.parts.find(({ name }) => name === 'boot')
  const { ended = 0, steps = 0 } = status.boot ?? {}
  const duration = formatDuration(status.durationMs ?? 0)
  const head = `<h1>${escapeHtml(life.recipe)} <small>${words[status.state] ?? status.state}, ${duration}</small></h1>`
  const body = [
    '<main>',
    head,
    `<p>${ended} of ${steps} steps<br><progress max="${Math.max(1, steps)}" value="${ended}"></progress></p>`,
    ...(boot === undefined || boot.steps.length === 0 ? [] : [timelineSvg(boot)]),
    ...barsHtml(status),
    ...failuresHtml(status),
    '</main>',
    `<script>${script}</script>`,
  ]
  return pageHtml({
    title: `${life.recipe}: ${status.state}`,
    refreshSeconds: seconds,
    scriptHash,
    body: body.join('\n'),
  })
}

function barsHtml({ running }: Status): string[] {
  return running.flatMap(({ step, progress }) =>
    progress.map((bar) => {
      const { done, total } = bar
      const value = total === undefined ? '' : ` max="${Math.max(1, total)}" value="${done}"`
      const text = `${step}: ${progressText(bar)}`
      return `<p>${escapeHtml(text)}<br><progress${value}></progress></p>`
    }),
  )
}

function failuresHtml({ failed }: Status): string[] {
  if (failed.length === 0) return []
  const items = failed.map(({ step, optional, message }) => {
    return `<li>${escapeHtml(`${step}${optional ? ' (optional)' : ''}: ${message}`)}</li>`
  })
  return ['<ul>', ...items, '</ul>']
}
