import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { openStore } from '@berth/object-store'
import type { ObjectStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { pruneStore } from './prune.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { readSnapshotList } from '../snapshots/snapshots.ts'
import { ageStore, findMissing, watchStore } from '../snapshots/store-testing.ts'
import { newDirectory, tick } from '../testing.ts'
import { verifyArchive } from '../verify/verify.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR
/** Two pods share the first archive. */
const pods = [
  { pod: 'one', name: 'lab/venv' },
  { pod: 'two', name: 'lab/venv' },
  { pod: 'three', name: 'nodes' },
] as const

type Step =
  | { do: 'save'; pod: number; content: number; during: Interruption[] }
  | { do: 'restore'; pod: number; back: number }
  | { do: 'prune'; keep: number; during: Interruption[] }
  | { do: 'wait'; hours: number }

/** What happens at a certain request of a save or a prune. */
interface Interruption {
  /** A request to this prefix, and the how manieth. */
  at: string
  nth: number
  what:
    | { do: 'kill' }
    | Exclude<Step, { do: 'save' }>
    | { do: 'save'; pod: number; content: number }
}

const pod = fc.nat(pods.length - 1)
/** Few contents, so that what is gone comes back under its old name. */
const content = fc.nat(2)
const plain = fc.oneof(
  fc.record({ do: fc.constant('save' as const), pod, content }),
  fc.record({ do: fc.constant('restore' as const), pod, back: fc.nat(3) }),
  fc.record({
    do: fc.constant('prune' as const),
    keep: fc.integer({ min: 1, max: 2 }),
    during: fc.constant<Interruption[]>([]),
  }),
  fc.record({ do: fc.constant('wait' as const), hours: fc.constantFrom(1, 25, 49) }),
)
const interruptions: fc.Arbitrary<Interruption[]> = fc.array(
  fc.record({
    at: fc.constantFrom(
      'get snapshots/',
      'list snapshots/',
      'list prune/',
      'put chunks/',
      'put snapshots/',
      'put snapshots/',
      'put snapshots/',
      'put prune/',
      'remove chunks/',
      'remove snapshots/',
    ),
    nth: fc.nat(1),
    what: fc.oneof(
      { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) },
      { weight: 3, arbitrary: plain },
      { weight: 3, arbitrary: fc.constant<Step>({ do: 'prune', keep: 1, during: [] }) },
    ),
  }),
  { maxLength: 3 },
)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('save' as const),
        pod,
        content,
        during: interruptions,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('prune' as const),
        keep: fc.integer({ min: 1, max: 2 }),
        during: interruptions,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('restore' as const), pod, back: fc.nat(3) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        hours: fc.constantFrom(1, 25, 49),
      }),
    },
  ),
  { minLength: 4, maxLength: 10 },
)

class Killed extends Error {}

class World {
  readonly base = newDirectory()
  readonly root = join(this.base, 'store')
  /** How far time is ahead of this machine's. */
  ahead = 0
  readonly now = () => Date.now() + this.ahead
  readonly busy = new Set<number>()
  /** Whether saves write what is half dead anew: then content lies in other chunks, which have the same name whenever they are made. */
  readonly compacts: boolean

  constructor(compacts: boolean) {
    this.compacts = compacts
    mkdirSync(this.root)
  }

  open(): Promise<ObjectStore> {
    return openStore(`file://${this.root}`, { env: {} })
  }

  directoryOf(number: number): string {
    return join(this.base, pods[number]?.pod ?? '', 'tree')
  }

  async do(step: Step | Interruption['what']): Promise<void> {
    switch (step.do) {
      case 'wait':
        this.ahead += step.hours * HOUR
        ageStore(this.root, step.hours * HOUR)
        return
      case 'prune':
        return this.prune(step.keep, step.during)
      case 'save':
        return this.save(step.pod, step.content, 'during' in step ? step.during : [])
      case 'restore':
        return this.restore(step.pod, step.back)
      case 'kill':
        throw new Killed()
    }
  }

  private async prune(keepLast: number, during: readonly Interruption[]): Promise<void> {
    const retention = { keepLast, keepDaily: 0, keepWeekly: 0, siblingsMs: 2 * DAY }
    const store = await this.interrupted(during)
    await survive(
      () => pruneStore({ store, retention, now: this.now }),
      ['archive/prune-late', 'archive/missing-store'],
    )
  }

  private async save(number: number, text: number, during: readonly Interruption[]): Promise<void> {
    // One directory is never saved twice at once: its lock would wait for ever.
    if (this.busy.has(number)) return
    this.busy.add(number)
    const directory = this.directoryOf(number)
    const put = (path: string, bytes: string): void => {
      writeFileSync(join(directory, path), bytes)
      utimesSync(join(directory, path), 1_700_000_000, 1_700_000_000)
    }
    mkdirSync(directory, { recursive: true })
    // One file changes at a time, so that each content is a chunk of its own, under the same name whenever it comes.
    put('base', 'the same in every snapshot')
    put('a', `content ${text}`)
    tick()
    const store = await this.interrupted(during)
    await survive(
      () =>
        saveTree({
          store,
          directory,
          name: pods[number]?.name ?? '',
          now: this.now,
          acceptVanished: true,
          compact: this.compacts && { leastDeadBytes: 1, smallGroups: 1 },
        }),
      ['archive/pruned'],
    )
    this.busy.delete(number)
  }

  private async restore(number: number, back: number): Promise<void> {
    if (this.busy.has(number)) return
    const [store, name] = [await this.open(), pods[number]?.name ?? '']
    const { history } = await readSnapshotList(store, name)
    const at = history[back]?.name
    if (at === undefined) return
    await restoreTree({ store, name, directory: this.directoryOf(number), at })
  }

  private async interrupted(during: readonly Interruption[]): Promise<ObjectStore> {
    const seen = new Map<string, number>()
    let isCommitting = false
    return watchStore(await this.open(), async (doing) => {
      const place = doing.slice(0, doing.indexOf('/') + 1)
      const number = seen.get(place) ?? 0
      seen.set(place, number + 1)
      isCommitting ||= doing.startsWith('put snapshots/')
      for (const { at, nth, what } of during) {
        // The one window that nothing closes: a day that passes between a save's last look and its commit.
        if (at === place && nth === number && !(isCommitting && what.do === 'wait'))
          await this.do(what)
      }
    })
  }
}

async function survive(action: () => Promise<unknown>, codes: readonly string[]): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof Killed) && !codes.includes((error as { code?: string }).code ?? ''))
      throw error
  }
}

/** Content that went away, is marked, and may be swept from now on: what most of the dangers need. */
const marked: Step[] = [
  { do: 'save', pod: 0, content: 0, during: [] },
  { do: 'save', pod: 0, content: 1, during: [] },
  { do: 'save', pod: 0, content: 2, during: [] },
  { do: 'wait', hours: 49 },
  { do: 'prune', keep: 1, during: [] },
  { do: 'wait', hours: 25 },
  { do: 'prune', keep: 1, during: [] },
  { do: 'wait', hours: 25 },
]

test('never removes what a listed snapshot needs, whatever is done in which order', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), fc.boolean(), async (planned, isMarked, compacts) => {
      const world = new World(compacts)
      for (const step of isMarked ? [...marked, ...planned] : planned) {
        await world.do(step)
        expect(await findMissing(await world.open())).toEqual([])
      }
      const store = await world.open()
      for (const name of ['lab/venv', 'nodes'])
        expect((await verifyArchive({ store, name })).problems).toEqual([])
      rmSync(world.base, { recursive: true })
    }),
    { numRuns: Number(process.env.BERTH_MODEL_RUNS ?? 6) },
  )
}, 600_000)
