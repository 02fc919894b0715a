import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import {
  type CountingProxy,
  type RequestWatch,
  type S3Server,
  startCountingProxy,
} from '@berth/object-store/testing'
import { restoreTree, saveTree } from '@berth/archive'
import { expect } from 'vitest'
import type { Ended, Killer } from './killing.ts'

const CHILD = join(import.meta.dirname, 'archive-child.ts')

export interface Bench {
  /** A directory that is removed in the end. */
  base: string
  s3: S3Server
}

/** Each lane has an archive and a pod of its own, and goes on from round to round as a pod does that is killed again and again. */
export class Lane {
  readonly name: string
  readonly root: string
  readonly store: ObjectStore
  readonly #url: string
  readonly #env: NodeJS.ProcessEnv
  readonly #proxy: CountingProxy | undefined
  readonly #watch: RequestWatch
  round = 0
  /** What the archive held when the round began. */
  before: Listing = new Map()

  private constructor({ base, s3 }: Bench, id: string, opened: Opened) {
    this.name = `kill/${id}`
    this.root = join(base, id)
    this.#url = opened.url
    this.store = opened.store
    this.#proxy = opened.proxy
    this.#watch = opened.watch
    // What node makes of a source is made once for all children: that is half of a child's time.
    this.#env = { ...s3.env, NODE_COMPILE_CACHE: join(base, 'compiled') }
  }

  /** With a first snapshot of `pod/tree`. The store is a directory of the lane's own, or the server by way of a proxy. */
  static async open(bench: Bench, id: string, inDirectory: boolean): Promise<Lane> {
    const { base, s3 } = bench
    const watch: RequestWatch = {}
    const proxy = inDirectory ? undefined : await startCountingProxy(s3.directEndpoint, watch)
    const url =
      proxy === undefined
        ? `file://${join(base, id, 'store')}`
        : s3.url.replace(s3.endpoint, proxy.endpoint)
    const store = await openStore(url, { env: s3.env })
    const lane = new Lane(bench, id, { url, store, proxy, watch })
    makeTree(lane.at('pod'), 0)
    await lane.save(lane.at('pod'))
    lane.before = readTree(lane.at('pod'))
    return lane
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.#proxy?.close()
  }

  /** The tree of one of its pods: each lies in a directory of its own, with its state beside it. */
  at(pod: string): string {
    return join(this.root, pod, 'tree')
  }

  save(directory: string) {
    return saveTree({ store: this.store, name: this.name, directory, level: 'fast' })
  }

  restore(directory: string, at?: string) {
    return restoreTree({ store: this.store, name: this.name, directory, at })
  }

  /** In a process of its own. */
  kill(killer: Killer, verb: string, directory: string): Promise<Ended> {
    const command = [process.execPath, CHILD, verb, directory, this.name, this.#url]
    return killer({ command, watch: this.#watch, env: this.#env })
  }

  forget(pod: string): void {
    fs.rmSync(join(this.root, pod), { recursive: true, force: true })
  }

  /** What lies beside a tree once all is well is small, and does not grow from kill to kill. */
  expectTidy(pod: string): void {
    const state = join(this.root, pod, '.berth', 'trees', 'tree')
    const names = fs.readdirSync(state)
    expect(names.length, names.join()).toBeLessThan(8)
    for (const name of names)
      expect(fs.existsSync(join(state, name, 'tree')), `a tree in ${name}`).toBe(false)
    expect(fs.readdirSync(join(this.root, pod)).toSorted()).toEqual(['.berth', 'tree'])
  }
}

interface Opened {
  url: string
  store: ObjectStore
  proxy: CountingProxy | undefined
  watch: RequestWatch
}

/** Two packages, two long files, a link and an empty directory; a later state differs in a part of them. */
export function makeTree(root: string, state: number): void {
  for (const folder of ['a', 'b']) {
    const at = join(root, 'lib/python3.12/site-packages', folder)
    fs.mkdirSync(at, { recursive: true })
    for (let index = 0; index < 4; index++) {
      const seed = folder === 'b' ? `${folder}${index}${state}` : `${folder}${index}`
      fs.writeFileSync(join(at, `f${index}.py`), seed.repeat(3000 * index))
    }
  }
  fs.writeFileSync(join(root, 'long-one'), Buffer.alloc(4_300_000, `long ${state}`))
  if (state === 0) fs.writeFileSync(join(root, 'long-two'), Buffer.alloc(4_300_000, 'the same'))
  fs.rmSync(join(root, `only-${state - 1}`), { force: true })
  fs.writeFileSync(join(root, `only-${state}`), String(state))
  fs.mkdirSync(join(root, 'empty'), { recursive: true })
  fs.rmSync(join(root, 'link'), { force: true })
  fs.symlinkSync('lib', join(root, 'link'))
}

export type Listing = Map<string, string>

/** Type, mode and content of everything, and the times of files. */
export function readTree(root: string): Listing {
  const entries: Listing = new Map()
  for (const path of fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (/^\.berth(\/|$)/.test(path)) continue
    const absolute = join(root, path)
    const stats = fs.lstatSync(absolute)
    const content = stats.isSymbolicLink()
      ? fs.readlinkSync(absolute)
      : stats.isFile()
        ? `${Math.round(stats.mtimeMs * 1000)} ${createHash('sha256').update(fs.readFileSync(absolute)).digest('hex')}`
        : ''
    entries.set(path, `${stats.mode.toString(8)} ${content}`)
  }
  return entries
}
