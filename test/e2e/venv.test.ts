import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describeTree } from '@berth/archive/testing'
import { hasVenv, requirement, temporaryDirectory } from '@berth/core/testing'
import { type S3Server, missingS3Server, startS3Server } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { makeRescueRoot, missingRescueTools } from './rescue-root.ts'

const BERTH = join(import.meta.dirname, '../../packages/cli/bin/berth')
const PACKAGES = ['numpy', 'pandas', 'pillow', 'requests']
const SMALL_PACKAGE = 'tomli'
const INSTALL_TIMEOUT_MS = 300_000
const NAME = 'comfyui/venv'

const root = await temporaryDirectory()
const venv = join(root, 'one', 'venv')
const lane = missingS3Server() ?? missingPackages() ?? true

let s3: S3Server
/** The tree as it was when it was first saved. */
let saved: string[]

/** Makes the venv: whether the package index can be reached is known only then. */
function missingPackages(): string | undefined {
  const mayMake = hasVenv()
  if (mayMake !== true) return mayMake
  mkdirSync(dirname(venv), { recursive: true })
  execFileSync('python3', ['-m', 'venv', venv])
  try {
    pipInstall(venv, ...PACKAGES)
    return undefined
  } catch {
    return 'the package index can not be reached'
  }
}

beforeAll(async () => {
  if (lane !== true) return
  s3 = await startS3Server()
  python(venv, IMPORT_ALL)
  addOddities()
  saved = describeTree(venv)
}, 60_000)

afterAll(async () => {
  await s3?.close()
})

const IMPORT_ALL =
  'import numpy, pandas, PIL.Image, requests; print(pandas.Series(numpy.arange(4)).sum())'

function pipInstall(directory: string, ...packages: string[]): void {
  execFileSync(
    join(directory, 'bin/python'),
    ['-m', 'pip', '-q', 'install', '--disable-pip-version-check', ...packages],
    { timeout: INSTALL_TIMEOUT_MS },
  )
}

/** With bytecode writing enabled, and nothing of this environment. */
function python(
  directory: string,
  code: string,
  ...flags: string[]
): { said: string; trace: string } {
  const trace = join(root, 'trace')
  const said = execFileSync(
    'sh',
    ['-c', 'exec "$@" 2>"$0"', trace, join(directory, 'bin/python'), ...flags, '-c', code],
    {
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
    },
  )
  return { said: said.trim(), trace: readFileSync(trace, 'utf8') }
}

/** What a plain venv lacks of everything that has to come back. */
function addOddities(): void {
  mkdirSync(join(venv, 'empty/below'), { recursive: true })
  symlinkSync('/etc/hostname', join(venv, 'out-of-the-tree'))
  symlinkSync('../../../elsewhere', join(venv, 'dangling'))
  linkSync(join(venv, 'bin/activate'), join(venv, 'activate-again'))
  writeFileSync(join(venv, 'with a space'), 'x')
  chmodSync(join(venv, 'with a space'), 0o640)
  writeFileSync(join(venv, '.dotfile'), 'dot')
  if (process.getuid?.() === 0) chownSync(join(venv, '.dotfile'), 1234, 5678)
}

interface Answer {
  facts: Record<string, unknown>
  puts: { key: string; bytes: number }[]
}

/** One command in a process of its own, and the PUTs that the server saw meanwhile. */
async function berth(...command: string[]): Promise<Answer> {
  const before = s3.requests.length
  const child = spawn(BERTH, [...command, '--store', s3.url, '--name', NAME, '--json'], {
    env: { PATH: process.env['PATH'], HOME: root, ...s3.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let error = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk))
  child.stderr.on('data', (chunk: Buffer) => (error += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, error).toBe(0)
  const puts = s3.requests
    .slice(before)
    .filter(({ method }) => method === 'PUT' || method === 'POST')
  return {
    facts: JSON.parse(out) as Record<string, unknown>,
    puts: puts.map(({ key, bytes }) => ({ key, bytes })),
  }
}

const chunkPuts = ({ puts }: Answer): { key: string; bytes: number }[] =>
  puts.filter(({ key }) => key.includes('/chunks/'))

const restored = (): string => join(root, 'two', 'venv')

requirement('python', lane)(
  'a venv comes back from a real server as it was, and its bytecode is still valid',
  async () => {
    expect((await berth('archive', 'save', venv)).facts).toMatchObject({
      result: 'saved',
      generation: 1,
    })
    // The same path, as on the next pod: a venv's scripts name it.
    execFileSync('mv', [join(root, 'one'), join(root, 'away')])
    expect((await berth('archive', 'restore', venv)).facts).toMatchObject({
      result: 'restored',
      generation: 1,
    })
    expect(describeTree(venv)).toEqual(saved)
    rmSync(join(root, 'away'), { recursive: true })

    const bytecode = (): string[] =>
      describeTree(venv).filter((line) => line.includes('__pycache__'))
    const before = bytecode()
    expect(before.length).toBeGreaterThan(1000)
    const { said, trace } = python(venv, IMPORT_ALL, '-v')
    expect(said).toBe('6')
    expect(bytecode()).toEqual(before)
    const own = trace.split('\n').filter((line) => line.includes(venv))
    expect(own.filter((line) => /^# .*\.pyc matches/.test(line)).length).toBeGreaterThan(300)
    expect(
      own.filter((line) => line.startsWith('# wrote') || line.includes('bytecode is stale')),
    ).toEqual([])
  },
  120_000,
)

requirement('python', lane)(
  'an unchanged save puts nothing, on the pod that saved and on one that only restored',
  async () => {
    await berth('archive', 'save', venv)
    const again = await berth('archive', 'save', venv)
    expect(again).toMatchObject({ facts: { result: 'unchanged' }, puts: [] })
    await berth('archive', 'restore', restored())
    expect(await berth('archive', 'save', restored())).toMatchObject({
      facts: { result: 'unchanged' },
      puts: [],
    })
  },
  120_000,
)

requirement('python', lane)(
  'a small package that is installed is all that is put, beside a manifest',
  async () => {
    const packageFiles = installedSize(restored())
    pipInstall(restored(), SMALL_PACKAGE)
    const added = installedSize(restored()) - packageFiles
    const installed = await berth('archive', 'save', restored())
    expect(installed.facts).toMatchObject({ result: 'saved', deleted: 0 })
    const chunks = chunkPuts(installed)
    expect(chunks.length).toBe(1)
    // Compressed, so less than what lies on the disk.
    expect(chunks[0]?.bytes).toBeLessThan(added)
    const kinds = installed.puts.map(({ key }) =>
      /\/chunks\//.test(key)
        ? 'chunk'
        : key.replace(/^.*\/@\//, '').replace(/-\w+\.hashes$/, '.hashes'),
    )
    // Beside them, the probe by which a process finds out once whether the store's conditional writes are real.
    expect(kinds.filter((kind) => !kind.includes('probe-')).toSorted()).toEqual([
      '00000002.hashes',
      '00000002.json.zst',
      'chunk',
      'pods/latest/comfyui/venv/@',
    ])
  },
  240_000,
)

function installedSize(directory: string): number {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.includes(SMALL_PACKAGE),
  )
  return files.reduce(
    (sum, path) =>
      sum + (statSync(join(directory, path)).isFile() ? statSync(join(directory, path)).size : 0),
    0,
  )
}

requirement('python', lane)(
  'no chunk is put after a touch of every file, and after the index was deleted',
  async () => {
    // Where it was first: elsewhere its scripts name that place, which a save without a record has to take for the user's.
    rmSync(dirname(venv), { recursive: true })
    await berth('archive', 'restore', venv)
    execFileSync('find', [venv, '-type', 'f', '-exec', 'touch', '{}', '+'])
    const touched = await berth('archive', 'save', venv)
    expect(touched.facts).toMatchObject({ result: 'saved', uploadedChunks: 0 })
    expect(chunkPuts(touched)).toEqual([])
    rmSync(join(root, 'one', '.berth'), { recursive: true })
    const forgotten = await berth('archive', 'save', venv)
    expect(forgotten).toMatchObject({ facts: { result: 'unchanged' }, puts: [] })
  },
  120_000,
)

requirement('rescue', lane === true ? (missingRescueTools() ?? true) : lane)(
  'the tree is got back without berth, by the store’s own README in a root that has only sh, zstd, tar, jq and coreutils',
  async () => {
    const directory = venv
    writeFileSync(join(directory, 'with a space'), 'changed')
    writeFileSync(join(directory, 'added'), 'added')
    rmSync(join(directory, 'lib/python3.11/site-packages/requests'), {
      recursive: true,
      force: true,
    })
    chmodSync(join(directory, 'bin/pip'), 0o700)
    expect((await berth('archive', 'save', directory)).facts).toMatchObject({ result: 'saved' })
    const rescue = makeRescueRoot(join(root, 'rescue'))
    execFileSync('cp', ['-r', join(s3.directory, 'pods'), join(rescue, 'store')])
    const readme = readFileSync(join(rescue, 'store', 'README.txt'), 'utf8')
    const script = /```sh\n([\s\S]*?)```/.exec(readme)?.[1]
    expect(script).toBeDefined()
    execFileSync('/usr/sbin/chroot', [rescue, '/bin/sh', '-c', `cd /store\n${script}`], {
      env: { PATH: '/bin', archive: NAME, out: '/out' },
      stdio: 'pipe',
    })
    expect(describeTree(join(rescue, 'out'))).toEqual(describeTree(directory))
    expect(existsSync(join(rescue, 'out', 'added'))).toBe(true)
  },
  240_000,
)
