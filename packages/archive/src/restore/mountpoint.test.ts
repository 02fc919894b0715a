import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mayMount, requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { afterEach, expect } from 'vitest'
import { readRecord, restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'
const mounted: string[] = []
const mountTest = requirement('mount', mayMount())

function mount(directory: string, options = 'size=64m'): void {
  mkdirSync(directory, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'berth-test', directory])
  mounted.push(directory)
}

afterEach(() => {
  for (const directory of mounted.splice(0).toReversed())
    execFileSync('umount', ['--lazy', directory])
})

async function setUp() {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const source = join(base, 'source', 'nodes')
  mkdirSync(join(source, 'a', 'b'), { recursive: true })
  for (let index = 0; index < 20; index++)
    writeFileSync(join(source, 'a', `f${index}`), `content ${index}`)
  await saveTree({ store, name, directory: source })
  return { base, store, source, directory: join(base, 'pod', 'nodes') }
}

/** Without the tree's own time, which a file system that is mounted there sets as it likes. */
function inside(root: string): string[] {
  return describeTree(root).slice(1)
}

mountTest(
  'fills a mounted directory, keeps its state in it, and finds nothing to save',
  async () => {
    const { store, source, directory } = await setUp()
    mount(directory)
    mkdirSync(join(directory, 'lost+found'))
    writeFileSync(join(directory, 'mine'), 'mine')
    const restored = await restoreTree({ store, name, directory })
    const aside = 'aside' in restored ? (restored.aside ?? '') : ''
    expect(readFileSync(join(aside, 'mine'), 'utf8')).toBe('mine')
    rmSync(join(directory, 'lost+found'), { recursive: true })
    expect(inside(directory)).toEqual(inside(source))
    expect(await readRecord(directory)).toMatchObject({ complete: true, generation: 1 })
    expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
    tick()
    mkdirSync(join(directory, '@'))
    writeFileSync(join(directory, '@', 'x'), 'x')
    expect(await saveTree({ store, name: 'other', directory: join(directory, '@') })).toMatchObject(
      {
        result: 'saved',
      },
    )
    expect(await readRecord(directory)).toMatchObject({ archive: name })
    expect(await saveTree({ store, name, directory })).toMatchObject({
      result: 'saved',
      changed: 1,
    })
  },
)

mountTest(
  'ends a move into a mounted directory wherever it was cut',
  async () => {
    const { base, store, source, directory } = await setUp()
    writeFileSync(join(source, 'more'), 'more')
    mkdirSync(join(source, 'c'))
    let killed = 0
    await saveTree({ store, name, directory: source })
    for (let cut = 0; cut < 7; cut++) {
      mount(directory)
      for (const file of ['one', 'two', 'three']) writeFileSync(join(directory, file), file)
      const moves = await killAtMove(base, directory, cut)
      if (moves === 'killed') {
        await expect(saveTree({ store, name, directory })).rejects.toMatchObject({
          code: 'archive/incomplete-restore',
        })
        killed++
        await restoreTree({ store, name, directory })
      }
      expect(inside(directory)).toEqual(inside(source))
      expect(await readRecord(directory)).toMatchObject({ complete: true, generation: 2 })
      expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
      const berth = join(directory, '.berth')
      const aside = readdirSync(berth).filter((entry) => entry.startsWith('aside-'))
      const kept = aside.flatMap((entry) => readdirSync(join(berth, entry)))
      expect(kept.toSorted()).toEqual(['one', 'three', 'two'])
      execFileSync('umount', [directory])
      mounted.pop()
    }
    // Three entries go aside and three come in.
    expect(killed).toBe(6)
  },
  120_000,
)

/** Restores in a process that kills itself before it moves entry number `cut` of those that have such names. */
async function killAtMove(
  base: string,
  directory: string,
  cut: number,
  entries = /\/(one|two|three|more|a|c)$/,
): Promise<string> {
  const script = join(base, 'killed.ts')
  const index = fileURLToPath(new URL('../index.ts', import.meta.url))
  writeFileSync(
    script,
    `import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
const { rename } = promises
let moves = 0
promises.rename = async (from, to) => {
  if (${String(entries)}.test(from) && moves++ === ${cut}) process.kill(process.pid, 'SIGKILL')
  return rename(from, to)
}
syncBuiltinESMExports()
const { openStore } = await import('${fileURLToPath(import.meta.resolve('@berth/object-store'))}')
const { restoreTree } = await import(${JSON.stringify(index)})
const store = await openStore('file://${join(base, 'store')}', { env: {} })
await restoreTree({ store, name: '${name}', directory: '${directory}' })`,
  )
  const child = spawn(process.execPath, [script], { stdio: 'inherit' })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal === 'SIGKILL' ? 'killed' : 'ended'
}

mountTest('takes an unmounted disk for unknown, not for emptied', async () => {
  const { store, directory } = await setUp()
  mount(directory)
  await restoreTree({ store, name, directory })
  execFileSync('umount', [directory])
  mounted.pop()
  tick()
  writeFileSync(join(directory, 'new'), 'new')
  expect(await saveTree({ store, name, directory })).toMatchObject({ additive: true, deleted: 0 })
})

mountTest('keeps what lies on another disk in the tree apart from its own clock', async () => {
  const { store, directory } = await setUp()
  await restoreTree({ store, name, directory })
  mount(join(directory, 'a', 'b'))
  tick()
  writeFileSync(join(directory, 'a', 'b', 'x'), 'x')
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'saved',
    changed: 1,
  })
  expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
})

mountTest('works below a linked parent as at the place itself', async () => {
  const { base, store, source } = await setUp()
  mkdirSync(join(base, 'real'))
  symlinkSync(join(base, 'real'), join(base, 'linked'))
  await restoreTree({ store, name, directory: join(base, 'linked', 'nodes') })
  expect(await readRecord(join(base, 'real', 'nodes'))).toMatchObject({ complete: true })
  expect(describeTree(join(base, 'real', 'nodes'))).toEqual(describeTree(source))
  expect(existsSync(join(base, 'real', '.berth', 'trees', 'nodes', 'record.json'))).toBe(true)
  expect(await saveTree({ store, name, directory: join(base, 'real', 'nodes') })).toMatchObject({
    result: 'unchanged',
  })
})

mountTest('saves from a full disk, and knows its own save again', async () => {
  const { base, store, source } = await setUp()
  const disk = join(base, 'disk')
  mount(disk, 'size=2m')
  const directory = join(disk, 'nodes')
  await restoreTree({ store, name, directory })
  tick()
  writeFileSync(join(directory, 'new'), 'new')
  try {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(4_000_000))
  } catch {
    // That was the point.
  }
  const notes: string[] = []
  const onNote = (_: string, text: string) => void notes.push(text)
  const saved = await saveTree({ store, name, directory, onNote })
  expect(saved).toMatchObject({ result: 'saved', generation: 2, sibling: false })
  expect(notes.join()).toContain('it is saved')
  rmSync(join(disk, 'filler'))
  tick()
  writeFileSync(join(directory, 'newer'), 'newer')
  rmSync(join(directory, 'a', 'f1'))
  expect(await saveTree({ store, name, directory })).toMatchObject({
    generation: 3,
    sibling: false,
    additive: false,
    deleted: 1,
  })
  expect(existsSync(source)).toBe(true)
})

mountTest(
  'a restore that fills the disk leaves what was there, and goes on with room',
  async () => {
    const { base, store, source } = await setUp()
    writeFileSync(join(source, 'long'), Buffer.alloc(6_000_000, 'long'))
    await saveTree({ store, name, directory: source })
    const disk = join(base, 'disk')
    mount(disk, 'size=10m')
    const directory = join(disk, 'nodes')
    mkdirSync(directory)
    writeFileSync(join(directory, 'old'), 'old')
    writeFileSync(join(disk, 'filler'), Buffer.alloc(7_000_000))
    await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
      code: 'filesystem/no-room',
    })
    // Room when it is looked at, none when it is written.
    renameSync(join(disk, 'filler'), join(disk, 'nodes-filler'))
    rmSync(join(disk, 'nodes-filler'))
    const restoring = restoreTree({ store, name, directory }).catch((error: Error) => error)
    const state = join(disk, '.berth', 'trees', 'nodes')
    while (!existsSync(state) || !readdirSync(state).some((entry) => entry.startsWith('staging-')))
      await new Promise((resolve) => setTimeout(resolve, 1))
    try {
      writeFileSync(join(disk, 'filler'), Buffer.alloc(9_000_000))
    } catch {
      // Full.
    }
    const result = await restoring
    if (result instanceof Error) {
      expect(result).toMatchObject({ code: 'archive/no-room' })
      expect(readFileSync(join(directory, 'old'), 'utf8')).toBe('old')
      rmSync(join(disk, 'filler'))
      await restoreTree({ store, name, directory })
    }
    expect(describeTree(directory)).toEqual(describeTree(source))
  },
)

/** An overlay as Docker mounts it; answers a directory that its lower layer brings. */
function mountImage(at: string): string {
  // The upper layer must not lie on an overlay itself.
  mount(at, 'size=64m')
  for (const path of ['lower/pod/nodes/baked/deep', 'upper', 'work', 'merged'])
    mkdirSync(join(at, path), { recursive: true })
  writeFileSync(join(at, 'lower/pod/nodes/baked/deep/file'), 'of the image')
  const layers = `lowerdir=${at}/lower,upperdir=${at}/upper,workdir=${at}/work`
  const merged = join(at, 'merged')
  execFileSync('mount', ['-t', 'overlay', '-o', `redirect_dir=off,${layers}`, 'berth-test', merged])
  mounted.push(merged)
  writeFileSync(join(merged, 'pod/nodes/baked/added'), 'of a user')
  return join(merged, 'pod/nodes')
}

mountTest(
  'renames a directory aside that the image brings, wherever it is killed',
  async () => {
    const { base, store, source } = await setUp()
    let killed = 0
    for (let cut = 0; cut < 20; cut++) {
      const directory = mountImage(join(base, `image${cut}`))
      const end = await killAtMove(base, directory, cut, /(nodes|baked|deep|file|added|tree)$/)
      if (end === 'killed') {
        killed++
        const pod = join(directory, '..')
        const isMoving = existsSync(join(pod, '.berth/trees/nodes/moving'))
        if (isMoving && existsSync(directory))
          await expect(saveTree({ store, name, directory })).rejects.toMatchObject({
            code: 'archive/incomplete-restore',
          })
        await restoreTree({ store, name, directory })
      }
      expect(describeTree(directory)).toEqual(describeTree(source))
      expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
      const pod = join(directory, '..')
      const aside = readdirSync(pod).filter((entry) => entry.includes('aside'))
      expect(aside).toHaveLength(1)
      const old = (path: string) => readFileSync(join(pod, aside[0] ?? '', path), 'utf8')
      expect([old('baked/deep/file'), old('baked/added')]).toEqual(['of the image', 'of a user'])
      if (end !== 'killed') break
    }
    // `nodes` twice, `baked`, `added`, `deep`, `file`, and the new tree.
    expect(killed).toBeGreaterThanOrEqual(6)
  },
  120_000,
)
