import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Driver, FaultPod } from './fault-pod.ts'
import type { FaultWorld } from './fault-world.ts'
import type { FoundFiles } from './find-files.ts'

/** What became of everything that was written around a fault. */
export interface FaultResult extends FoundFiles {
  written: number
  /** What apps could not close, by the code that they got. */
  failed: Record<string, number>
  /** The states that were seen, in their order. */
  states: string[]
}

const mebi = 1024 ** 2
const minuteMs = 60_000

/** The daemon is killed while a file of 1 GB is being written, and another that was closed is on its way. */
export async function killDaemon(world: FaultWorld, driver: Driver): Promise<FaultResult> {
  const pod = world.pod({ name: `kill-${driver}`, driver })
  await pod.link()
  pod.write({ name: 'small', paceMs: 30 })
  pod.write({ name: 'closed', bytes: 200 * mebi, files: 1 })
  await until(() => pod.log('closed').isOver)
  pod.write({ name: 'huge', bytes: 1024 * mebi, files: 1 })
  await until(() => pod.log('huge').progress >= 300 * mebi)
  pod.signalDaemon('SIGKILL')
  await pod.becomes(({ colour }) => colour === 'red', 10_000)
  await pod.becomes(({ colour, restarts }) => colour === 'green' && restarts > 0, minuteMs)
  await until(() => pod.log('huge').isOver)
  return recover(pod, ['broken'])
}

/** The daemon hangs for a minute. */
export async function hangDaemon(world: FaultWorld, driver: Driver): Promise<FaultResult> {
  const pod = world.pod({ name: `hang-${driver}`, driver })
  await pod.link()
  await writeSome(pod, 'before')
  pod.signalDaemon('SIGSTOP')
  const minute = sleep(minuteMs)
  await pod.becomes(({ state }) => state === 'hung', minuteMs)
  await writeSome(pod, 'meanwhile')
  await minute
  pod.signalDaemon('SIGCONT')
  return recover(pod, ['hung'])
}

/** The server is out of reach for a minute: refused, or silent. */
export async function stopServer(
  world: FaultWorld,
  driver: Driver,
  how: 'refuse' | 'swallow',
): Promise<FaultResult> {
  const proxy = await world.proxy()
  const pod = world.pod({ name: `${how}-${driver}`, driver, endpoint: proxy.endpoint })
  await pod.link()
  await writeSome(pod, 'before')
  await proxy[how]()
  const minute = sleep(minuteMs)
  await pod.becomes(({ colour }) => colour !== 'green', minuteMs)
  await writeSome(pod, 'meanwhile')
  const spooling = pod.becomes(({ links }) => links[0]?.leadsTo !== 'mount', minuteMs)
  const { state } = await spooling
  await writeSome(pod, 'later')
  await minute
  await proxy.recover()
  return recover(pod, [state])
}

/** The keys are taken away; a while later they are valid again, or others take their place. */
export async function revokeKeys(
  world: FaultWorld,
  driver: Driver,
  cure: 'again' | 'others',
): Promise<FaultResult> {
  const keys = world.account()
  const pod = world.pod({ name: `revoke-${cure}-${driver}`, driver, keys })
  await pod.link()
  await writeSome(pod, 'before')
  world.revoke(keys)
  await writeSome(pod, 'unheard')
  const { state } = await pod.becomes(({ colour }) => colour === 'red', minuteMs)
  await writeSome(pod, 'meanwhile')
  if (cure === 'again') world.admit(keys)
  else {
    pod.keys = world.account()
    await pod.link()
    await pod.becomes(({ links }) => links.length > 0, minuteMs)
  }
  return recover(pod, [state])
}

/** The disk with the daemon's cache and its records, 64 MB, is full for a while. */
export async function fillCache(world: FaultWorld, driver: Driver): Promise<FaultResult> {
  const folder = world.smallDisk(`disk-${driver}`)
  // s3fs wants room for all parts of a file that are under way.
  const options = ['part-size=5MiB', 'parallel=2']
  const pod = world.pod({ name: `cache-${driver}`, driver, cacheFolder: folder, options })
  await pod.link()
  await writeSome(pod, 'before')
  pod.write({ name: 'large', bytes: 100 * mebi, files: 1 })
  await until(() => pod.log('large').isOver)
  const ballast = fill(folder)
  await writeSome(pod, 'full')
  await pod.becomes(({ links }) => links[0]?.leadsTo === 'spool', minuteMs).catch(() => undefined)
  await writeSome(pod, 'meanwhile')
  fs.rmSync(ballast)
  return recover(pod, ['no-room'])
}

/** The disk of the folder, 64 MB, runs full while the server is out of reach. */
export async function fillSpool(world: FaultWorld, driver: Driver): Promise<FaultResult> {
  const proxy = await world.proxy()
  const folder = world.smallDisk(`spool-${driver}/workspace`)
  const pod = world.pod({ name: `spool-${driver}`, driver, endpoint: proxy.endpoint })
  await pod.link()
  await writeSome(pod, 'before')
  await proxy.refuse()
  await pod.becomes(({ links }) => links[0]?.leadsTo !== 'mount', minuteMs)
  pod.write({ name: 'many', bytes: 2 * mebi, paceMs: 5, files: 60 })
  await until(() => pod.log('many').isOver)
  const ballast = fill(folder)
  await sleep(3_000)
  await proxy.recover()
  await sleep(3_000)
  fs.rmSync(ballast)
  return recover(pod, ['spooling'])
}

/** A pod has eight seconds to end while 50 files wait, with the server or without; what is left is its volume. */
export async function endPod(
  world: FaultWorld,
  driver: Driver,
  server: 'answers' | 'refuses',
): Promise<FaultResult & { code: number | null; onVolume: FoundFiles }> {
  const proxy = await world.proxy()
  const options = driver === 'rclone' ? ['write-back=15s'] : []
  const { endpoint } = proxy
  const pod = world.pod({ name: `end-${server}-${driver}`, driver, endpoint, options })
  const booted = pod.boot({ name: 'app', files: 5 })
  await until(() => pod.log('app').isOver)
  if (server === 'refuses') {
    await proxy.refuse()
    if (driver === 's3fs') await pod.becomes(({ links }) => links[0]?.leadsTo !== 'mount', minuteMs)
  }
  pod.write({ name: 'waiting', files: 50, paceMs: 5 })
  await until(() => pod.log('waiting').isOver)
  booted.stop()
  const { code, output } = await booted.ended
  pod.die()
  pod.loseDisk()
  const onVolume = await pod.find()
  await proxy.recover()
  const again = pod.boot({ name: 'next', files: 5 })
  await until(() => pod.log('next').isOver)
  await pod.becomes(({ colour }) => colour === 'green', minuteMs)
  again.stop()
  const next = await again.ended
  if (next.code !== 0) throw new Error(`${output}\n${next.output}`)
  const { written, failed } = pod.log()
  const found = await pod.find()
  return { ...found, written: written.length, failed: count(failed), states: [], code, onVolume }
}

/** All is well again: waits for green, ends the apps, unmounts, and looks where everything is. */
async function recover(pod: FaultPod, states: string[]): Promise<FaultResult> {
  await pod.becomes(({ colour }) => colour === 'green', 2 * minuteMs)
  await writeSome(pod, 'after')
  await pod.endWriters()
  const { code, output } = await pod.unlink('60s')
  const { written, failed, failedNames } = pod.log()
  if (code !== 0 && !tellsOnly(failedNames, output)) throw new Error(output)
  return { ...(await pod.find()), written: written.length, failed: count(failed), states }
}

/** What an app could not close is named when it is unmounted, and nothing else is. */
function tellsOnly(failedNames: readonly string[], output: string): boolean {
  if (!output.includes('s3-link/not-arrived')) return false
  const names = [...output.matchAll(/`output\/([^`]+)`/g)].map(([, name = '']) => name)
  return names.length > 0 && names.every((name) => failedNames.includes(name.replace(/\.tmp$/, '')))
}

/** An app that goes on writing; resolves when it has closed some files, or tried for a while. */
async function writeSome(pod: FaultPod, name: string): Promise<void> {
  pod.write({ name, paceMs: 100, files: 200 })
  const end = performance.now() + 10_000
  const tried = () => pod.log(name).written.length + pod.log(name).failed.length
  while (tried() < 10 && performance.now() < end) await sleep(50)
}

function fill(folder: string): string {
  const ballast = path.join(folder, 'ballast')
  const file = fs.openSync(ballast, 'w')
  try {
    for (;;) fs.writeSync(file, Buffer.alloc(65_536, 1))
  } catch {
    fs.closeSync(file)
  }
  return ballast
}

function count(codes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 90_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it did not come about: ${holds.toString()}`)
    await sleep(50)
  }
}
