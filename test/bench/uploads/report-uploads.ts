import type { MachineFacts } from '../machine.ts'
import { median, pairedRatio, spread } from '../statistics.ts'
import { mib, milliseconds, percent, plain, seconds, times } from '../units.ts'
import type { UploadSeries } from './measure-uploads.ts'
import type { Visible } from './visible.ts'

/** What one run of the suite found. */
export interface UploadRun {
  date: string
  files: number
  sizeBytes: number
  rounds: number
  machine: MachineFacts
  versions: Record<string, string>
  uploads: UploadSeries[]
  visible: Visible[]
}

/** The whole report. */
export function writeUploadReport(run: UploadRun): string {
  return `${[
    '# What a watched folder costs, beside its peers',
    'Written by `npm run bench -- --suite link`; [README.md](README.md) says what is measured and how. Each number is the median of the rounds.',
    describeRun(run),
    '## Targets',
    targetTable(run),
    `## ${plain(run.files)} files of ${plain(run.sizeBytes / 1e6)} MB into the bucket`,
    uploadTable(run),
    run.uploads.map(({ name, about }) => `${name}: ${about}`).join(' · '),
    '## From close to visible, for a file of 2 MB',
    visibleTable(run.visible),
  ].join('\n\n')}\n`
}

function describeRun({ date, rounds, machine, versions, uploads }: UploadRun): string {
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const samples = uploads.flatMap((series) => series.samples)
  const others = samples.reduce((sum, { othersCpuSeconds }) => sum + othersCpuSeconds, 0)
  const wall = samples.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0)
  return [
    `- ${date}, ${rounds} rounds in turned order, files and server on ${machine.work}`,
    `- machine: ${machine.cores} cores (${machine.processor}); ${machine.kernel}; load ${machine.load.toFixed(1)} at the start, ${percent(others / (wall * machine.cores))} of the processors used by others and the kernel's threads meanwhile`,
    `- versions: ${names.join(', ')}`,
  ].join('\n')
}

function targetTable({ uploads, visible, files }: UploadRun): string {
  const watch = uploads.find(({ name }) => name === 'watch')
  const rows = uploads
    .filter(({ name, samples }) => name !== 'watch' && samples.length > 0)
    .map(({ name, samples }) => {
      const found = pairedRatio(wallsOf(samples), wallsOf(watch?.samples ?? []))
      return row([`all in S3, against ${name}`, '≥ 1.00 ×', times(found), verdict(found >= 1)])
    })
  const each = requestsOf(watch) / files
  const late = visible.find(({ name }) => name === 'watch')?.visibleMs ?? []
  const slow = quantile(late, 0.95)
  return table(
    ['measure', 'target', 'found', ''],
    [
      ...rows,
      row(['requests for a file', '≤ 1.05', each.toFixed(2), verdict(each <= 1.05)]),
      row(['from close to visible, p95', '≤ 1000 ms', milliseconds(slow), verdict(slow <= 1000)]),
    ],
  )
}

function uploadTable({ uploads, files }: UploadRun): string {
  const rows = uploads.map(({ name, samples, missing }) => {
    if (samples.length === 0) return row([name, missing ?? '', '', '', '', '', '', ''])
    const of = (pick: (sample: (typeof samples)[number]) => number): number =>
      median(samples.map(pick))
    const methods = Object.entries(samples.at(-1)?.requests ?? {})
    return row([
      name,
      seconds(of(({ wallSeconds }) => wallSeconds)),
      percent(spread(wallsOf(samples))),
      seconds(of(({ cpuSeconds }) => cpuSeconds)),
      milliseconds((of(({ cpuSeconds }) => cpuSeconds) * 1000) / files),
      seconds(of(({ serverCpuSeconds }) => serverCpuSeconds)),
      mib(of(({ peakBytes }) => peakBytes)),
      methods.map(([method, count]) => `${count} ${method}`).join(', '),
    ])
  })
  const head = ['', 'wall', '±', 'CPU', 'CPU a file', 'server CPU', 'memory', 'requests']
  return table(head, rows)
}

function visibleTable(visible: readonly Visible[]): string {
  const rows = visible.map(({ name, visibleMs, closeMs, cpuMs, missing }) => {
    if (missing !== undefined) return row([name, missing, '', '', '', '', ''])
    return row([
      name,
      `${visibleMs.length}`,
      milliseconds(quantile(visibleMs, 0.5)),
      milliseconds(quantile(visibleMs, 0.95)),
      milliseconds(Math.max(...visibleMs)),
      milliseconds(quantile(closeMs, 0.5)),
      cpuMs === undefined ? '' : milliseconds(cpuMs),
    ])
  })
  return table(['', 'files', 'p50', 'p95', 'longest', '`close` takes', 'CPU a file'], rows)
}

/** The value that so large a part of all does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}

function requestsOf(series: UploadSeries | undefined): number {
  const totals = (series?.samples ?? []).map(({ requests }) =>
    Object.values(requests).reduce((sum, count) => sum + count, 0),
  )
  return median(totals)
}

function wallsOf(samples: UploadSeries['samples']): number[] {
  return samples.map(({ wallSeconds }) => wallSeconds)
}

function verdict(isHit: boolean): string {
  return isHit ? 'hit' : '**missed**'
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function table(head: readonly string[], rows: readonly string[]): string {
  return [row(head), row(head.map(() => '---')), ...rows].join('\n')
}
