import { EventLines } from './event-lines.ts'
import type { Reporter } from './reporter.ts'
import { styleFor } from './symbols.ts'

const redrawMs = 100
const barWidth = 24

/**
 * The lines of `line`, and below them one live row per running step and bar. While main runs nothing is redrawn: the terminal is its
 * own.
 */
export function openPrettyReporter(stream: NodeJS.WriteStream): Reporter {
  const style = styleFor(stream)
  const lines = new EventLines(style, performance.timeOrigin)
  const running = new Map<string, number>()
  let drawnRows = 0
  let isMainRunning = false
  let timer: NodeJS.Timeout | undefined

  const erase = (): string => {
    const codes = drawnRows === 0 ? '' : `\u001B[${drawnRows}A\u001B[0J`
    drawnRows = 0
    return codes
  }
  const draw = (): string => {
    if (isMainRunning) return ''
    const rows = [...running].flatMap(([step, startedAt]) => stepRows(step, startedAt))
    const shown = rows.slice(0, Math.max(1, (stream.rows ?? 24) - 2))
    drawnRows = shown.length
    return shown.map((row) => `${clip(row, stream.columns ?? 80)}\n`).join('')
  }
  const stepRows = (step: string, startedAt: number): string[] => {
    const now = Date.now()
    const bars = [...lines.bars].filter(([key]) => key.startsWith(`${step}\n`))
    if (bars.length === 0) {
      return [
        lines.row(now, step, 'working', style.dim(`${((now - startedAt) / 1000).toFixed(0)} s`)),
      ]
    }
    return bars.map(([, bar]) => {
      const drawing = bar.drawing(barWidth)
      return lines.row(
        now,
        step,
        'working',
        drawing === '' ? bar.text() : `${drawing} ${bar.text()}`,
      )
    })
  }
  const startTimer = (): void => {
    timer ??= setInterval(() => stream.write(erase() + draw()), redrawMs).unref()
  }
  const stopTimer = (): void => {
    clearInterval(timer)
    timer = undefined
  }

  return {
    report: (event) => {
      if (event.type === 'step:start') running.set(event.step, event.time)
      if (event.type === 'step:end') running.delete(event.step)
      if (event.type === 'pipeline:end') running.clear()
      if (event.type === 'main:start') isMainRunning = true
      if (event.type === 'main:end') isMainRunning = false
      const printed = lines.of(event).map((line) => `${line}\n`)
      const isLive = event.type === 'step:progress' && printed.length === 0
      if (!isLive) stream.write(erase() + printed.join('') + draw())
      if (running.size > 0 && !isMainRunning) startTimer()
      else stopTimer()
    },
    close: () => {
      stopTimer()
      stream.write(erase())
    },
  }
}

/** Cuts a row to the terminal's width, counting what is visible; a wrapped row could not be redrawn. */
function clip(row: string, columns: number): string {
  let visible = 0
  let text = ''
  // oxlint-disable-next-line no-control-regex -- colour codes take no room
  for (const [piece] of row.matchAll(/\u001B\[[0-9;]*m|[\s\S]/gu)) {
    if (piece.startsWith('\u001B')) text += piece
    else if (visible < columns - 1) {
      text += piece
      visible += 1
    }
  }
  return text
}
