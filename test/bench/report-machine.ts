import type { Run } from './run.ts'
import { gigabytes, percent, plain } from './units.ts'

/** What tells one kind of run from another: only the newest of a kind is kept. */
export function runTitle({ tree, arguments: { link, target }, cores }: Run): string {
  const over =
    link === undefined ? 'loopback' : `${link.roundTripMs} ms, ${plain(link.megabits)} Mbit/s`
  return `${tree.name}, ${over}, ${target}, ${cores} cores`
}

/** What the numbers hold for. */
export function describeMachine(run: Run): string {
  const { date, machine, versions, tree, arguments: asked } = run
  const { census, storedBytes, chunks } = tree
  const small = percent(census.smallFiles / census.files)
  const of = [
    `${plain(census.files)} files, ${plain(census.directories)} directories, ${census.links} links, ${gigabytes(census.bytes)}`,
    `${small} of the files up to 16 KiB (${gigabytes(census.smallBytes)})`,
    `${census.bigFiles} over 4 MiB (${gigabytes(census.bigBytes)})`,
    `${plain(census.mostInOne)} in the fullest directory`,
    `stored in ${plain(chunks)} chunks of ${gigabytes(storedBytes)}`,
  ]
  const on = [
    `${machine.cores} cores (${machine.processor})`,
    `${gigabytes(machine.memoryBytes)} memory`,
    machine.kernel,
    `store and images on ${machine.work}`,
    `load ${machine.load.toFixed(1)} at the start, ${percent(shareOfOthers(run))} of the processors used by others and the kernel's threads meanwhile`,
  ]
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `- ${date}, ${asked.rounds} rounds, each on a fresh ${asked.target}`,
    `- tree: ${of.join('; ')}`,
    `- machine: ${on.join('; ')}`,
    `- versions: ${names.join(', ')}`,
  ].join('\n')
}

/** A run on a machine that others use says so. */
function shareOfOthers({ restores, saves, machine }: Run): number {
  const samples = [...restores, ...saves].flatMap((series) => series.samples)
  const sum = (field: 'othersCpuSeconds' | 'wallSeconds'): number =>
    samples.reduce((total, sample) => total + sample[field], 0)
  return sum('othersCpuSeconds') / (sum('wallSeconds') * machine.cores)
}
