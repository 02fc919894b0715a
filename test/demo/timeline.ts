import type { BerthEvent } from '@berth/core'

interface TimelineRow {
  /** Since the pod's process was started. */
  atMs: number
  durationMs: number
  name: string
  result: string
  detail: string
}

/** What happened in a pod, in the order in which it began. */
export function readTimeline(events: readonly BerthEvent[], startedAt: number): TimelineRow[] {
  const rows = events.flatMap((event): TimelineRow[] => {
    const atMs = event.time - startedAt
    if (event.type === 'step:end') {
      const detail = event.error?.message ?? event.reason ?? factsText(event.facts ?? {})
      const { durationMs, step: name, result } = event
      return [{ atMs: atMs - durationMs, durationMs, name, result, detail }]
    }
    if (event.type === 'main:start') {
      return [{ atMs, durationMs: 0, name: 'app', result: 'started', detail: `pid ${event.pid}` }]
    }
    if (event.type === 'signal') {
      return [{ atMs, durationMs: 0, name: event.name, result: 'received', detail: event.action }]
    }
    if (event.type === 'main:end') {
      const how = event.signal ?? `exit code ${event.code}`
      return [{ atMs, durationMs: 0, name: 'app', result: 'ended', detail: how }]
    }
    return []
  })
  return rows.toSorted((a, b) => a.atMs - b.atMs)
}

export function timelineLines(rows: readonly TimelineRow[]): string[] {
  return rows.map(({ atMs, durationMs, name, result, detail }) => {
    const took = durationMs === 0 ? '' : seconds(durationMs)
    const columns = [seconds(atMs).padStart(8), name.padEnd(12), result.padEnd(9), took.padStart(7)]
    return `${columns.join('  ')}  ${cut(detail, 110)}`.trimEnd()
  })
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

/** Numbers in words and lists; what is nested deeper is in `--json`. */
function factsText(facts: Record<string, unknown>): string {
  return Object.entries(facts)
    .map(([name, value]) => factText(name, value))
    .filter((text) => text !== '')
    .join('; ')
}

function factText(name: string, value: unknown): string {
  if (name === 'seconds' || value === 0 || value === '') return ''
  if (name === 'bytes') return sizeText(Number(value))
  if (name === 'files')
    return `${Number(value).toLocaleString('en')} ${value === 1 ? 'file' : name}`
  if (!Array.isArray(value)) return typeof value === 'object' ? '' : `${name} ${String(value)}`
  return value.length > 0 && value.every((one) => typeof one === 'string')
    ? `${name} ${value.join(', ')}`
    : ''
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes} B` : `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function cut(text: string, width: number): string {
  const line = text.split('\n', 1)[0] ?? ''
  return line.length > width ? `${line.slice(0, width - 1)}…` : line
}
