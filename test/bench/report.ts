import { barChart } from './chart.ts'
import { computeFloor } from './floor-terms.ts'
import { describeMachine, runTitle } from './report-machine.ts'
import type { Details, Run, Series } from './run.ts'
import { median, spread } from './statistics.ts'
import { judge } from './targets.ts'
import { kib, mib, milliseconds, percent, plain, seconds } from './units.ts'

/** RESULTS.md: every run, the newest of each kind. */
export function writeReport(runs: readonly Run[]): string {
  const sections = runs.flatMap((run) => [`## ${runTitle(run)}`, ...runSections(run)])
  return `${[...HEAD, ...sections].join('\n\n')}\n`
}

const HEAD = [
  '# What Berth costs, beside its peers and the floor',
  `Written by \`npm run bench\`; [README.md](README.md) says what is measured and how. Each number is the median of the rounds; *±* is half of the
distance between the fastest and the slowest round. Ratios are medians of the ratios within the rounds.`,
]

function runSections(run: Run): string[] {
  return [
    describeMachine(run),
    ...targets(run),
    ...chart(run),
    ...table('Restores', run.restores.filter(isWhole)),
    ...floor(run),
    ...table('Saves', run.saves),
    ...details(run),
  ]
}

function isWhole({ name }: Series): boolean {
  return !/^(?:fetch|decode|create)-/.test(name)
}

// The targets are for trees of 50,000 files; in a small one the start of a program is most of what is measured.
const FEWEST = 20_000

function targets(run: Run): string[] {
  if (run.tree.census.files < FEWEST) return ['The tree is too small to judge by.']
  const verdicts = judge(run)
  if (verdicts.length === 0) return []
  const rows = verdicts.map(({ measure, target, found, hit, by }) => [
    measure,
    target,
    found,
    `${hit ? 'hit' : '**missed**'}${by === '' ? '' : `, ${by}`}`,
  ])
  return ['### Targets', markdownTable(['measure', 'target', 'found', ''], rows)]
}

function chart({ restores, ...run }: Run): string[] {
  const bars = restores
    .filter((series) => isWhole(series) && series.samples.length > 0)
    .map((series) => ({ name: series.name, value: wallOf(series) }))
    .toSorted((a, b) => a.value - b.value)
  const least = computeFloor({ restores, ...run })
  const all = least === undefined ? bars : [{ name: 'the floor', value: least.seconds }, ...bars]
  return all.length === 0 ? [] : [`\`\`\`\n${barChart(all)}\n\`\`\``]
}

function table(title: string, all: readonly Series[]): string[] {
  if (all.length === 0) return []
  const heads = [
    '',
    'rounds',
    'wall',
    '±',
    'CPU',
    'memory',
    'requests',
    'PUT',
    'MB',
    'did not come back',
  ]
  return [`### ${title}`, markdownTable(heads, all.map(seriesRow)), notes(all)]
}

function seriesRow(series: Series): string[] {
  const { name, samples, lost, missing } = series
  if (samples.length === 0) return [name, `not measured: ${oneLine(missing ?? '')}`]
  const of = (field: keyof (typeof samples)[number]) => median(samples.map((one) => one[field]))
  return [
    name,
    String(samples.length),
    seconds(of('wallSeconds')),
    percent(spread(samples.map(({ wallSeconds }) => wallSeconds))),
    seconds(of('cpuSeconds')),
    mib(Math.max(...samples.map(({ peakBytes }) => peakBytes))),
    plain(of('requests')),
    plain(of('puts')),
    (of('bytes') / 1e6).toFixed(1),
    [...lost, ...(missing === undefined ? [] : [`failed later: ${oneLine(missing)}`])].join(', '),
  ]
}

function notes(all: readonly Series[]): string {
  return all.map(({ name, about }) => `${name}: ${about}`).join(' · ')
}

function floor(run: Run): string[] {
  const least = computeFloor(run)
  const parts = run.restores.filter((series) => !isWhole(series))
  if (parts.length === 0) return []
  const text =
    least === undefined
      ? 'A part is missing, so there is no floor.'
      : `Floor = max(fetch, decode, create, (CPU of decode + CPU of create) / cores), each at its best: max(${[
          least.fetch.wallSeconds,
          least.decode.wallSeconds,
          least.create.wallSeconds,
        ]
          .map((value) => value.toFixed(2))
          .join(
            ', ',
          )}, (${least.decode.cpuSeconds.toFixed(2)} + ${least.create.cpuSeconds.toFixed(2)}) / ${run.cores}) = **${seconds(least.seconds)}**; ${least.binds} binds. With what fetching costs the processors of this machine, the server's part included (${least.fetch.cpuSeconds.toFixed(2)} + ${least.fetch.serverCpuSeconds.toFixed(2)} CPU-s): ${seconds(least.withFetchSeconds)}.`
  return [...table('The floor', parts), text]
}

function details({ details: found, tree }: Run): string[] {
  const lines = [
    ...callLines(found),
    ...(found.manifest === undefined
      ? []
      : [
          `Manifest of ${plain(tree.census.files)} files: ${kib(found.manifest.storedBytes)} stored; read and checked in ${milliseconds(found.manifest.parseMs)}, the first time in a process ${milliseconds(found.manifest.firstParseMs)}.`,
        ]),
    ...savedLine('One file changed', found.oneFile),
    ...savedLine('One package installed', found.onePackage),
    ...found.missing,
  ]
  return lines.length === 0 ? [] : ['### Details', lines.map((line) => `- ${line}`).join('\n')]
}

function callLines({ systemCalls }: Details): string[] {
  if (systemCalls === undefined) return []
  const { calls, smallFiles, byName } = systemCalls
  const names = Object.entries(byName).slice(0, 8)
  const text = names.map(([name, count]) => `${name} ${plain(count)}`).join(', ')
  return [`${plain(calls)} file-system calls for ${plain(smallFiles)} small files: ${text}.`]
}

function savedLine(what: string, saved: Details['oneFile']): string[] {
  if (saved === undefined) return []
  const { puts, bytes, manifestBytes, changedBytes } = saved
  return [
    `${what}: ${puts} PUTs, ${kib(bytes)}; the manifest is ${kib(manifestBytes)} of it; the changed files are ${kib(changedBytes)} in a tar through zstd -3.`,
  ]
}

function wallOf({ samples }: Series): number {
  return median(samples.map(({ wallSeconds }) => wallSeconds))
}

function markdownTable(heads: string[], rows: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${heads.map((_, index) => cells[index] ?? '').join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 200)
}
