import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount, readTree, requirement } from '@berth/core/testing'
import { missingS3Server, type S3Server, startS3Server } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { damages, disks } from './bad-input/damages.ts'
import { type Failure, RESTORE } from './bad-input/failure.ts'
import { type Mistake, readMistakes } from './bad-input/read-mistakes.ts'
import { refusals } from './bad-input/refusals.ts'
import {
  type Ending,
  listWorld,
  makeWorld,
  runIn,
  sawCanary,
  withoutState,
  type World,
} from './bad-input/world.ts'

type Which = 'wrong' | 'right'
type Listing = Record<string, string>

interface Attempt extends Ending {
  hasCanary: boolean
  before: Listing
  after: Listing
}

interface Row {
  title: string
  lane: keyof typeof lanes
  attempt: (which: Which) => Promise<Attempt>
  judge: (wrong: Attempt) => void
}

const missingServer = missingS3Server()
const mountable = process.getuid?.() === 0 ? mayMount() : 'mounts take root'
const lanes = {
  any: { test, isThere: true },
  s3: { test: requirement('s3', missingServer ?? true), isThere: missingServer === undefined },
  root: { test: requirement('root', mountable), isThere: mountable === true },
}
const AT_ONCE = 4
/** A row may wait for all that are before it. */
const TIMEOUT_MS = 300_000

let s3: S3Server | undefined
/** The world whose `tree`, and whose store, every other begins with. */
let origin: World
let served: Listing
const attempts = new Map<string, Promise<Attempt>>()

const rows: Row[] = [
  ...readMistakes(new URL('bad-input/mistakes.md', import.meta.url)).map(rowOfMistake),
  ...damages.map((failure) => rowOfFailure(failure, 'any')),
  ...refusals.map((failure) => rowOfFailure(failure, 's3')),
  ...disks.map((failure) => rowOfFailure(failure, 'root')),
]

beforeAll(async () => {
  origin = makeWorld()
  fs.mkdirSync(`${origin.here}/tree/lib`)
  fs.writeFileSync(`${origin.here}/tree/lib/module.py`, 'value = 1\n')
  fs.writeFileSync(`${origin.here}/tree/long`, Buffer.alloc(5_000_000, 'a long file '))
  if (lanes.s3.isThere) s3 = await startS3Server()
  Object.assign(origin.env, s3?.env)
  for (const store of [origin.env['LOCAL'] ?? '', ...(s3 === undefined ? [] : [s3.url])]) {
    const saved = await runIn(origin, `berth archive save tree --name app/tree --store '${store}'`)
    expect(saved, saved.stderr).toMatchObject({ code: 0 })
  }
  served = await listServed()
  startAttempts()
}, 60_000)

afterAll(async () => {
  await Promise.allSettled(attempts.values())
  origin.remove()
  await s3?.close()
})

test('the table has its rows, each once', () => {
  expect(rows.length).toBeGreaterThanOrEqual(100)
  expect(new Set(rows.map(({ title }) => title)).size).toBe(rows.length)
})

for (const { title, lane, judge } of rows) {
  lanes[lane].test(
    `refuses, and touches nothing: ${title}; its twin passes`,
    async () => {
      const wrong = await attemptOf(title, 'wrong')
      const right = await attemptOf(title, 'right')
      judge(wrong)
      expect(wrong).toMatchObject({ hasCanary: false })
      expect(right, right.stderr).toMatchObject({ code: 0, hasCanary: true })
    },
    TIMEOUT_MS,
  )
}

lanes.s3.test(
  'the server holds what it held before',
  async () => {
    await Promise.allSettled(attempts.values())
    expect(await listServed()).toEqual(served)
  },
  TIMEOUT_MS,
)

function rowOfMistake({ title, says, json, ...mistake }: Mistake): Row {
  return {
    title,
    lane: 'any',
    attempt: (which) =>
      inWorld(async (world) => {
        fs.writeFileSync(`${world.here}/recipe.yaml`, mistake[which].recipe)
        return attempt(world, mistake[which].command)
      }),
    judge: ({ code, stderr, stdout, before, after }) => {
      expect(stderr).toBe(says)
      expect(code).toBe(2)
      expect(after).toEqual(before)
      const events = stdout.split('\n').filter((line) => line !== '')
      const told = events.map((line) => JSON.parse(line) as { time?: number })
      expect(told.map(({ time: _time, ...event }) => event)).toEqual(
        json === undefined ? [] : [json],
      )
    },
  }
}

function rowOfFailure(failure: Failure, lane: Row['lane']): Row {
  const { title, command = 'berth run recipe.yaml boot', recipe = RESTORE } = failure
  return {
    title,
    lane,
    attempt: (which) =>
      inWorld(async (world) => {
        fs.writeFileSync(`${world.here}/recipe.yaml`, recipe)
        const isServed = lane === 's3' && s3 !== undefined
        if (isServed) Object.assign(world.env, s3?.env)
        world.env['BERTH_STORE'] = (isServed ? s3?.url : world.env['LOCAL']) ?? ''
        if (which === 'wrong') failure.spoil(world)
        return attempt(world, command)
      }),
    judge: ({ code, stderr, before, after }) => {
      const [, said] = /✖ failed after 0 s: (.*\n(?: .*\n)*)/.exec(stderr) ?? []
      if (failure.says !== undefined) expect(said).toBe(failure.says)
      expect(stderr).toMatch(new RegExp(`  ${failure.code}$`, 'm'))
      expect(stderr).toMatch(/^ +To fix: ./m)
      expect(code).toBe(1)
      expect(withoutState(after)).toEqual(withoutState(before))
    },
  }
}

async function inWorld(act: (world: World) => Promise<Attempt>): Promise<Attempt> {
  const world = makeWorld(`${origin.here}/store`)
  try {
    return await act(world)
  } finally {
    world.remove()
  }
}

async function attempt(world: World, command: string): Promise<Attempt> {
  const before = await listWorld(world)
  const ending = await runIn(world, command)
  return { ...ending, hasCanary: sawCanary(world), before, after: await listWorld(world) }
}

/** Begins every attempt of the lanes that are there, a few at once, in the order of the rows. */
function startAttempts(): void {
  const waiting: (() => Promise<void>)[] = []
  for (const { title, attempt: act } of rows.filter((row) => lanes[row.lane].isThere)) {
    for (const which of ['wrong', 'right'] as const) {
      const { promise, resolve, reject } = Promise.withResolvers<Attempt>()
      // Its own test awaits it, perhaps long after it failed.
      promise.catch(() => {})
      attempts.set(`${which} ${title}`, promise)
      waiting.push(() => act(which).then(resolve, reject))
    }
  }
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
  }
  for (let index = 0; index < AT_ONCE; index += 1) void work()
}

async function attemptOf(title: string, which: Which): Promise<Attempt> {
  const found = attempts.get(`${which} ${title}`)
  if (found === undefined) throw new Error(`no attempt was begun for ${title}`)
  return found
}

async function listServed(): Promise<Listing> {
  return s3 === undefined ? {} : readTree(path.join(s3.directory, 'pods'), { exact: true })
}
