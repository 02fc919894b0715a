import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inspectDirectory, probeDirectory } from './probe.ts'
import { missingMounts, runProgram, runWithMounts } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test('tries everything, and leaves no trace', async () => {
  const directory = makeTemporaryDirectory()
  const probe = await probeDirectory(directory)
  const { freeBytes, freeInodes, type, ...facts } = probe
  expect(facts).toEqual({
    usable: true,
    reason: undefined,
    writable: true,
    renames: true,
    symlinks: true,
    hardLinks: true,
    chmods: true,
    exclusiveCreate: true,
  })
  expect([freeBytes > 0, freeInodes !== 0, type !== '']).toEqual([true, true, true])
  expect(readdirSync(directory)).toEqual([])
})

test('looks without writing', async () => {
  const directory = makeTemporaryDirectory()
  const { mtimeMs } = statSync(directory)
  const { usable, writable, renames } = await inspectDirectory(directory)
  expect({ usable, writable, renames }).toEqual({
    usable: true,
    writable: true,
    renames: undefined,
  })
  expect(statSync(directory).mtimeMs).toBe(mtimeMs)
})

test('follows a link to a directory', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, 'real'))
  symlinkSync('real', join(directory, 'link'))
  expect((await probeDirectory(join(directory, 'link'))).usable).toBe(true)
})

test('says why a place is not usable', async () => {
  const directory = makeTemporaryDirectory()
  writeFileSync(join(directory, 'file'), '')
  symlinkSync('circle', join(directory, 'circle'))
  symlinkSync('nowhere', join(directory, 'dangling'))
  const reasonOf = async (path: string) => {
    const probes = await Promise.all([probeDirectory(path), inspectDirectory(path)])
    expect(probes.map(({ usable }) => usable)).toEqual([false, false])
    expect(probes[0].reason).toEqual(probes[1].reason)
    return probes[0].reason?.code
  }
  expect(await reasonOf(join(directory, 'absent'))).toBe('filesystem/absent')
  expect(await reasonOf(join(directory, 'dangling'))).toBe('filesystem/absent')
  expect(await reasonOf(join(directory, 'file'))).toBe('filesystem/not-a-directory')
  expect(await reasonOf(join(directory, 'circle'))).toBe('filesystem/link-loop')
})

test('finds by trying that /proc takes no files', async () => {
  expect((await probeDirectory('/proc')).reason?.code).toBe('filesystem/not-writable')
})

test('says that this user may not write', async () => {
  const directory = makeTemporaryDirectory()
  chmodSync(directory, 0o500)
  // Root may write everywhere, unless it gives that right away.
  const isRoot = process.getuid?.() === 0
  const { output } = await runProgram({
    script: `console.log((await filesystem.probeDirectory(values)).reason.code)`,
    values: directory,
    wrapper: isRoot ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [],
  })
  expect(output).toBe('filesystem/not-writable\n')
})

test('tells a read-only mount and a full disk', async ({ skip }) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const directory = makeTemporaryDirectory()
  const codes = await runWithMounts(
    `cd '${directory}'; mkdir fixed full; mount -t tmpfs -o ro none fixed
     mount -t tmpfs -o size=64k none full; head -c 64k /dev/zero > full/zeros`,
    `const reasons = await Promise.all(['fixed', 'full'].map((name) => filesystem.probeDirectory(values + '/' + name)))
     const inspected = await filesystem.inspectDirectory(values + '/fixed')
     console.log(JSON.stringify([...reasons, inspected].map((probe) => [probe.reason?.code, probe.type])))`,
    directory,
  )
  expect(codes).toEqual([
    ['filesystem/read-only', 'tmpfs'],
    ['filesystem/no-room', 'tmpfs'],
    ['filesystem/read-only', 'tmpfs'],
  ])
})

// A FUSE mount whose server holds the connection and never answers, not even the first message.
const hungMount = (place: string) =>
  `mkdir -p '${place}'; exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 hung '${place}'`

test('is not held by a mount that never answers, nor is the end of the process', async ({
  skip,
}) => {
  const place = join(makeTemporaryDirectory(), 'hung')
  const missing = missingMounts(hungMount(place))
  skip(missing !== undefined, 'fuse: /dev/fuse may not be opened or mounted here')
  const startedAt = performance.now()
  const probe = await runWithMounts(
    hungMount(place),
    `const started = performance.now()
     const { usable, reason } = await filesystem.probeDirectory(values, { timeoutMs: 700 })
     console.log(JSON.stringify({ usable, reason, inTime: performance.now() - started < 2000 }))`,
    place,
  )
  expect(probe).toEqual({
    usable: false,
    reason: { code: 'filesystem/no-answer', message: `\`${place}\` did not answer within 0.7 s` },
    inTime: true,
  })
  expect(performance.now() - startedAt).toBeLessThan(5000)
})

test('stops at an abort, and the trying still ends and cleans up', async () => {
  const directory = makeTemporaryDirectory()
  const reason = new Error('enough')
  await expect(probeDirectory(directory, { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  )
  const stop = new AbortController()
  const attempt = probeDirectory(directory, { signal: stop.signal })
  setTimeout(() => stop.abort(reason), 5)
  await expect(attempt).rejects.toBe(reason)
  // Between fork and exec a process still bears the name of this one: then it is not found, and has yet to begin.
  const left = () => [
    execFileSync('ps', ['ax', '-o', 'args']).includes(directory),
    readdirSync(directory),
  ]
  await expect.poll(left, { timeout: 20_000 }).toEqual([false, []])
})
