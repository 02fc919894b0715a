import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { copyTree } from './copy.ts'
import { isHalfMadeCopy } from './temporary.ts'
import { killAtCall, missingStrace, runProgram, wasKilled } from './testing/program.ts'
import { describeTree, makeTemporaryDirectory, makeTree } from './testing/tree.ts'

const calls = [
  'mkdir',
  'copy_file_range',
  'pwrite64',
  'link',
  'symlink',
  'utimensat',
  'rename',
  'fsync',
  'fchmod',
]
const ROUNDS_PER_CALL = 20

test(
  'leaves source and target whole when it is killed at any of its changes',
  { timeout: 180_000 },
  async ({ skip }) => {
    const missing = missingStrace()
    skip(missing !== undefined, missing)
    const killEach = async (names: string[]): Promise<string[]> => {
      const killed: string[] = []
      for (const call of names) {
        for (let n = 1; n <= ROUNDS_PER_CALL; n += 1) {
          if (!(await killOnce(killAtCall(call, n)))) break
          killed.push(call)
        }
      }
      return killed
    }
    const lanes = [calls.slice(0, 3), calls.slice(3, 6), calls.slice(6)]
    const killed = (await Promise.all(lanes.map(killEach))).flat()
    expect(killed.length).toBeGreaterThanOrEqual(30)
    expect([...new Set(killed)]).toEqual(
      expect.arrayContaining(['mkdir', 'link', 'utimensat', 'rename']),
    )
  },
)

/** Says whether the copy was killed; when it was, checks what it left, and that the next one completes it. */
async function killOnce(wrapper: string[]): Promise<boolean> {
  const directory = makeTemporaryDirectory()
  const [from, parent] = [join(directory, 'from'), join(directory, 'volume')]
  mkdirSync(from)
  mkdirSync(parent)
  makeTree(from)
  const to = join(parent, 'venv')
  const before = await describeTree(from)
  const end = await runProgram({
    script: 'await filesystem.copyTree(values)',
    values: { from, to },
    wrapper,
  })
  if (end.code === 0) return false
  expect(wasKilled(end)).toBe(true)
  expect(await describeTree(from)).toEqual(before)
  const left = readdirSync(parent).filter((name) => name !== 'venv')
  expect(left.every((name) => isHalfMadeCopy(name, 'venv'))).toBe(true)
  // Absent or complete: what is at the place needs no second copy.
  const wasPlaced = existsSync(to)
  const { result } = await copyTree({ from, to })
  expect(result).toBe(wasPlaced ? 'exists' : 'copied')
  expect(await describeTree(to)).toEqual(before)
  return true
}

test(
  'leaves source and target whole when it is killed at any moment',
  { timeout: 120_000 },
  async () => {
    const directory = makeTemporaryDirectory()
    const from = join(directory, 'from')
    for (let index = 0; index < 8; index += 1) {
      mkdirSync(join(from, `${index}`), { recursive: true })
      makeTree(join(from, `${index}`))
    }
    const before = await describeTree(from)
    const script = `let seen = 0
    const onProgress = () => { if (++seen === values.killAt) process.kill(process.pid, 'SIGKILL') }
    await filesystem.copyTree({ ...values, onProgress })`
    let halfMade = 0
    for (let round = 0; round < 20; round += 1) {
      const parent = join(directory, `volume-${round}`)
      mkdirSync(parent)
      const values = { from, to: join(parent, 'venv'), killAt: 1 + round * 10 }
      expect((await runProgram({ script, values })).signal).toBe('SIGKILL')
      expect(existsSync(values.to)).toBe(false)
      halfMade += readdirSync(parent).filter((name) => isHalfMadeCopy(name, 'venv')).length
    }
    expect(halfMade).toBe(20)
    expect(await describeTree(from)).toEqual(before)
  },
)
