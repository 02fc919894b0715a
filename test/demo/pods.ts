import * as fs from 'node:fs'
import * as path from 'node:path'
import type { BerthEvent } from '@berth/core'
import { APP_EXIT_CODE, appCommand, askApp, saveWorkflow } from './app.ts'
import type { App, AppFacts } from './app.ts'
import type { openClaims } from './claims.ts'
import { DIRECTORIES, listStore, wipeDisk } from './disk.ts'
import { compareListings, countKinds, digestOf, listTree } from './listing.ts'
import type { Listing } from './listing.ts'
import { startPod } from './pod.ts'
import type { RunningPod, StoppedPod } from './pod.ts'
import { readTimeline, seconds, timelineLines } from './timeline.ts'

export interface Story {
  app: App
  disk: string
  volume: string
  store: string
  /** Holds a directory for each pod's own state. */
  processes: string
  claims: ReturnType<typeof openClaims>
  say: (text: string) => void
  /** What the disk held when the last pod had ended. */
  left?: Listing
}

/** The numbers of one pod, for the report. */
export interface PodFacts {
  pod: string
  bootMs: number
  stopMs: number
  exitCode: number | null
  timeline: ReturnType<typeof readTimeline>
}

const GRACE_MS = 10_000
const WORKFLOW = 'made-in-pod-2.json'

/** Pod 1 has made everything itself; nothing is in the store yet. */
export async function firstPod(story: Story): Promise<PodFacts> {
  const name = 'pod 1'
  const pod = await start(story, name)
  checkApp(story, name, `the app imports from the ${treeOf(story)}`, await askApp(pod.port))
  const stopped = await stop(story, name, pod)
  const stored = listStore(story.store)
  const bytes = sum([...stored.values()])
  const manifests = [...stored.keys()].filter((key) =>
    /^snapshots\/comfyui\/.*\.json\.zst$/.test(key),
  )
  story.claims.check(
    name,
    'SIGTERM saved each directory as a snapshot',
    manifests.length === DIRECTORIES.length,
    { snapshots: manifests, objects: stored.size, bytes },
  )
  return finish(story, name, pod, stopped)
}

/** Pod 2 starts with an empty disk, and with a network volume on which nothing is yet. */
export async function secondPod(story: Story): Promise<PodFacts> {
  const name = 'pod 2'
  const before = mustHave(story.left)
  wipeDisk(story.disk)
  const entries = fs.readdirSync(story.disk, { recursive: true }).length
  story.claims.check(name, 'the disk was wiped', entries === 0, { before: before.size, entries })
  const pod = await start(story, name, story.volume)
  checkApp(
    story,
    name,
    `the app imports from the restored ${treeOf(story)}`,
    await askApp(pod.port),
  )
  // After the app has imported: what Python had to compile anew would show here.
  const differences = compareListings(before, listTree(story.disk, DIRECTORIES))
  const kinds = countKinds(before)
  story.claims.check(
    name,
    'everything is back: content, modes, owners, mtimes, symlinks, hard links, empty directories',
    differences.length === 0 && Math.min(...Object.values(kinds)) > 0,
    {
      ...kinds,
      sha256: digestOf(before),
      differences: differences.length,
      first: differences.slice(0, 5),
    },
  )
  const stored = listStore(story.store)
  await saveWorkflow(pod.port, WORKFLOW, '{ "nodes": ["made in pod 2"] }\n')
  const stopped = await stop(story, name, pod)
  checkIncrement(story, name, stored)
  const onVolume = compareListings(
    listTree(story.disk, DIRECTORIES),
    listTree(story.volume, DIRECTORIES),
  )
  story.claims.check(name, 'the network volume has a full copy', onVolume.length === 0, {
    differences: onVolume.length,
    first: onVolume.slice(0, 5),
  })
  return finish(story, name, pod, stopped)
}

/** Pod 3 starts with an empty disk beside the network volume that pod 2 filled. */
export async function thirdPod(story: Story): Promise<PodFacts> {
  const name = 'pod 3'
  const before = mustHave(story.left)
  wipeDisk(story.disk)
  const pod = await start(story, name, story.volume)
  const links = DIRECTORIES.map((directory) => [directory, linkTarget(story.disk, directory)])
  story.claims.check(
    name,
    'the directories are links to the network volume',
    links.every(([directory, target]) => target === path.join(story.volume, directory ?? '')),
    Object.fromEntries(links),
  )
  // How long it took is the machine's too, and so told and not judged.
  story.say(`  … booted in ${seconds(pod.bootMs)}`)
  const facts = await askApp(pod.port)
  checkApp(story, name, 'the app imports through the link', facts)
  story.claims.check(name, 'what was made in pod 2 is there', facts.workflows.includes(WORKFLOW), {
    workflows: facts.workflows,
  })
  const differences = compareListings(before, listTree(story.disk, DIRECTORIES))
  story.claims.check(name, 'behind the links lies what pod 2 left', differences.length === 0, {
    ...countKinds(before),
    differences: differences.length,
    first: differences.slice(0, 5),
  })
  const stored = listStore(story.store)
  const stopped = await stop(story, name, pod)
  const added = addedTo(stored, story.store)
  story.claims.check(name, 'nothing had changed, and nothing was uploaded', added.length === 0, {
    added: added.map(([key]) => key),
  })
  return finish(story, name, pod, stopped)
}

function stateOf(story: Story, name: string): string {
  return path.join(story.processes, name.replace(' ', '-'))
}

async function start(story: Story, name: string, volume?: string): Promise<RunningPod> {
  story.say(`\n${name[0]?.toUpperCase()}${name.slice(1)}`)
  const own = stateOf(story, name)
  fs.mkdirSync(own)
  const portFile = path.join(own, 'port')
  return startPod({
    name,
    disk: story.disk,
    ...(volume === undefined ? {} : { volume }),
    store: story.store,
    stateDirectory: path.join(own, 'state'),
    command: appCommand(story.app, story.disk, portFile),
    portFile,
  })
}

function treeOf({ app }: Story): string {
  return app.python === undefined ? 'tree' : 'venv'
}

function checkApp(story: Story, name: string, claim: string, facts: AppFacts): void {
  const modules = Object.values(facts.modules)
  const venv = path.join(story.disk, 'venv')
  const isThere = modules.every(([, file]) => file.startsWith(`${venv}/`))
  story.claims.check(name, claim, facts.prefix === venv && isThere && modules.length > 0, {
    ...facts,
  })
}

async function stop(story: Story, name: string, pod: RunningPod): Promise<StoppedPod> {
  const stopped = await pod.stop()
  story.claims.check(
    name,
    `SIGTERM ended it within the grace, with the app's exit code`,
    stopped.exitCode === APP_EXIT_CODE && stopped.stopMs < GRACE_MS && isWell(pod.events),
    { ...stopped, appExitCode: APP_EXIT_CODE, graceMs: GRACE_MS },
  )
  return stopped
}

/** Every pipeline of the pod ended as it should, with no failed step, optional ones included. */
function isWell(events: readonly BerthEvent[]): boolean {
  const ends = events.filter((event) => event.type === 'pipeline:end')
  return (
    ['boot', 'shutdown'].every((name) => ends.some(({ pipeline }) => pipeline === name)) &&
    ends.every(({ result }) => result === 'ready')
  )
}

/** A small change costs its own bytes and a manifest. */
function checkIncrement(story: Story, name: string, before: Map<string, number>): void {
  const added = addedTo(before, story.store)
  const bytes = sum(added.map(([, size]) => size))
  const total = sum([...before.values()])
  const isSaved = added.some(([key]) => key.startsWith('snapshots/comfyui/.comfyui/'))
  story.claims.check(
    name,
    'saving one new file put only that file and its snapshot into the store',
    isSaved && bytes < 64 * 1024 && bytes < total / 100,
    { bytes, storeBytes: total, added: added.map(([key]) => key) },
  )
}

function finish(story: Story, name: string, pod: RunningPod, stopped: StoppedPod): PodFacts {
  story.left = listTree(story.disk, DIRECTORIES)
  const timeline = readTimeline(pod.events, pod.startedAt)
  for (const line of timelineLines(timeline)) story.say(`  ${line}`)
  return { pod: name, bootMs: pod.bootMs, ...stopped, timeline }
}

function addedTo(before: Map<string, number>, store: string): [key: string, size: number][] {
  return [...listStore(store)].filter(([key]) => !before.has(key))
}

function linkTarget(disk: string, directory: string): string {
  const file = path.join(disk, directory)
  return fs.lstatSync(file).isSymbolicLink() ? fs.readlinkSync(file) : 'not a link'
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, value) => total + value, 0)
}

function mustHave(listing: Listing | undefined): Listing {
  if (listing === undefined) throw new Error('there is no listing of the pod before')
  return listing
}
