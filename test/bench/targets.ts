import { computeFloor, linkSeconds, type Floor } from './floor-terms.ts'
import type { Run, Sample, Series } from './run.ts'
import { median, pairedRatio } from './statistics.ts'
import { kib, mib, milliseconds, percent, plain, seconds, times } from './units.ts'

/** One line of the table of targets. */
export interface Verdict {
  measure: string
  target: string
  found: string
  hit: boolean
  /** How far: `missed by 12 %`, `40 % to spare`. */
  by: string
}

const KIB = 1024
const MIB = 1024 * KIB

/** Every target that the run has numbers for. */
export function judge(run: Run): Verdict[] {
  return [...judgeRestores(run), ...judgeSaves(run), ...judgeDetails(run)].filter(
    (verdict) => verdict !== undefined,
  )
}

function judgeRestores(run: Run): (Verdict | undefined)[] {
  const { restores, cores } = run
  const faster = (what: string, least: number, other: string) =>
    atLeast(`restore against ${what}`, least, ratio(restores, other, 'berth'), times)
  const own = wall(restores, 'berth')
  const floor = computeFloor(run)
  const model = linkModel(run, floor)
  return [
    faster('the best of N × (curl, zstd, tar)', 1.2, bestPipes(restores)),
    faster('the single pipe', cores > 2 ? 2.8 : 1.8, 'single-pipe'),
    faster('restic', 5, 'restic'),
    faster('rclone copy', 10, 'rclone'),
    faster('aws s3 sync', 10, 'aws'),
    // Behind a link the model below says what is possible; the floor's own fetch is then measured with curl's slow starts.
    model === undefined
      ? atLeast('restore, part of the floor', 0.8, divide(floor?.seconds, own), percent)
      : atMost('restore over the link, against the model', 1.15, divide(own, model), times),
    atMost('peak memory of a restore', 256 * MIB, most(restores, 'berth', 'peakBytes'), mib),
  ]
}

function judgeSaves({ saves }: Run): (Verdict | undefined)[] {
  const faster = (what: string, least: number, names: [other: string, own: string]) =>
    atLeast(what, least, ratio(saves, ...names), times)
  const within = (what: string, limit: number, name: string) =>
    atMost(what, limit, wall(saves, name), seconds)
  const unchanged = 'save of the unchanged tree'
  return [
    faster('first save against tar, zstd -3 -T0, s5cmd pipe', 1.2, ['first/pipe', 'first/berth']),
    faster('first save against restic backup', 2, ['first/restic', 'first/berth']),
    atMost('peak memory of a first save', 256 * MIB, most(saves, 'first/berth', 'peakBytes'), mib),
    atMost(`${unchanged}: PUTs`, 0, most(saves, 'unchanged/berth', 'puts'), plain),
    within(`${unchanged}, warm process`, 0.35, 'unchanged/berth-warm'),
    within(`${unchanged}, whole command`, 0.6, 'unchanged/berth'),
    faster(`${unchanged} against restic`, 5, ['unchanged/restic', 'unchanged/berth']),
    within('save after one small file changed', 1, 'one-file/berth'),
    within('boot with four links to a network volume', 0.5, 'boot/links'),
  ]
}

function judgeDetails({ details, tree }: Run): (Verdict | undefined)[] {
  const { systemCalls: calls, manifest, oneFile, onePackage } = details
  const beyond = oneFile && oneFile.bytes - oneFile.changedBytes - oneFile.manifestBytes
  const sent = onePackage && onePackage.bytes - onePackage.manifestBytes
  const scale = 50_000 / tree.census.files
  return [
    atMost('… beyond its bytes and the manifest, PUT', 64 * KIB, beyond, kib),
    atMost('save after pip install, PUT', 1.1, divide(sent, onePackage?.changedBytes), times),
    atMost('calls per small file restored', 4.5, divide(calls?.calls, calls?.smallFiles), plain),
    atMost('manifest of 50,000 files', 400 * KIB, scaled(manifest?.storedBytes, scale), kib),
    atMost('manifest of 50,000 files, read', 20, scaled(manifest?.parseMs, scale), milliseconds),
  ]
}

type Text = (value: number) => string

function atLeast(measure: string, least: number, value: number | undefined, text: Text) {
  if (value === undefined || Number.isNaN(value)) return undefined
  const hit = value >= least
  const how = hit ? 'to spare' : 'missing'
  const by = `${percent(Math.abs(value / least - 1))} ${how}`
  return { measure, target: `≥ ${text(least)}`, found: text(value), hit, by }
}

function atMost(measure: string, limit: number, value: number | undefined, text: Text) {
  if (value === undefined || Number.isNaN(value)) return undefined
  const hit = value <= limit
  const part = limit === 0 ? text(value) : percent(Math.abs(value / limit - 1))
  const by = limit === 0 && hit ? '' : `${part} ${hit ? 'to spare' : 'too much'}`
  return { measure, target: `≤ ${text(limit)}`, found: text(value), hit, by }
}

/** How long the link alone takes, or the machine where that is longer. */
function linkModel({ arguments: { link }, tree }: Run, floor: Floor | undefined) {
  if (link === undefined) return undefined
  const { workSeconds = 0 } = floor ?? {}
  return Math.max(linkSeconds(link, tree.storedBytes), workSeconds)
}

function bestPipes(restores: readonly Series[]): string {
  const pipes = restores.filter(({ name, samples }) => /^curl-\d/.test(name) && samples.length > 0)
  const fastest = pipes.toSorted((a, b) => median(walls(a)) - median(walls(b)))[0]
  return fastest?.name ?? ''
}

function ratio(all: readonly Series[], other: string, own: string): number | undefined {
  const [slow, fast] = [find(all, other), find(all, own)]
  return slow && fast && pairedRatio(walls(slow), walls(fast))
}

function wall(all: readonly Series[], name: string): number | undefined {
  const found = find(all, name)
  return found && median(walls(found))
}

function most(all: readonly Series[], name: string, field: keyof Sample): number | undefined {
  const found = find(all, name)
  return found && Math.max(...found.samples.map((sample) => sample[field]))
}

function find(all: readonly Series[], name: string): Series | undefined {
  return all.find((series) => series.name === name && series.samples.length > 0)
}

function walls({ samples }: Series): number[] {
  return samples.map(({ wallSeconds }) => wallSeconds)
}

function divide(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor
}
