import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { mayMount, readTree, requirement } from '@berth/core/testing'
import { startS3Server, type S3Server } from '@berth/object-store/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, startLinkingPod } from './linking.ts'
import { root as checkout } from '../workspace.ts'

const may = mayLink('s3fs')
const testLink = requirement('s3fs', may)
const testMount = requirement('mount', may === true ? mayMount() : may)

/** Its bucket is linked already. */
let pod: LinkingPod
/** Its requests are counted; nothing may come. */
let other: S3Server
let url: string

beforeEach(async () => {
  if (may !== true) return
  pod = await startLinkingPod()
  other = await startS3Server()
  url = `s3://${other.bucket}?endpoint=${other.endpoint}`
})

afterEach(async () => {
  if (may !== true) return
  await pod.end()
  await other.close()
})

interface Refusal {
  code: string
  args: (root: string) => string[]
  env?: () => Record<string, string>
  /** Puts something into the link's place. */
  prepare?: (root: string) => void
}

const refusals: Record<string, Refusal> = {
  'a bucket that is the pod’s own volume': {
    code: 's3-link/self-loop',
    args: () => ['link'],
    env: () => ({ RUNPOD_VOLUME_ID: other.bucket }),
  },
  'a folder in a linked folder': {
    code: 's3-link/nested',
    args: () => ['link', '--folder', 'linked/day'],
  },
  'a folder that holds a linked folder': {
    code: 's3-link/nested',
    args: () => ['link', '--folder', 'deep'],
  },
  'a link in a bucket that is mounted': {
    code: 's3-link/nested',
    args: (root) => ['mount-bucket', '--link', path.join(root, 'into-mount', 'here')],
    prepare: (root) => fs.symlinkSync(mountPointOf(), path.join(root, 'into-mount')),
  },
  'a folder that holds the keys': {
    code: 's3-link/nested',
    args: () => ['link', '--folder', 'link'],
  },
  'a link of somebody else': {
    code: 's3-link/foreign-link',
    args: () => ['link'],
    prepare: (root) => fs.symlinkSync(path.join(root, 'theirs'), path.join(root, 'output')),
  },
  'a link of somebody else that leads nowhere': {
    code: 's3-link/foreign-link',
    args: (root) => ['mount-bucket', '--link', path.join(root, 'output')],
    prepare: (root) => fs.symlinkSync(path.join(root, 'gone'), path.join(root, 'output')),
  },
  'a file': {
    code: 's3-link/not-a-directory',
    args: () => ['link'],
    prepare: (root) => fs.writeFileSync(path.join(root, 'output'), 'a file'),
  },
  'a folder with files, by hand': {
    code: 's3-link/filled',
    args: (root) => ['mount-bucket', '--link', path.join(root, 'theirs')],
  },
  'a folder with files that is to be kept': {
    code: 's3-link/filled',
    args: () => ['link', '--folder', 'theirs', '--keep'],
  },
  'a user who leads elsewhere': {
    code: 's3-link/bad-user',
    args: () => ['link', '--user', '../x'],
  },
  'a user who is a path': { code: 's3-link/bad-user', args: () => ['link', '--user', 'a/b'] },
  'a hidden user': { code: 's3-link/bad-user', args: () => ['link', '--user', '.ssh'] },
  'a user with a space': { code: 's3-link/bad-user', args: () => ['link', '--user', 'a b'] },
  'a path with a comma': {
    code: 's3-link/bad-path',
    args: () => ['link', '--folder', 'out,allow_other'],
  },
  'a path with a colon': { code: 's3-link/bad-path', args: () => ['link', '--folder', 'a:b'] },
  'a path with a line end': { code: 's3-link/bad-path', args: () => ['link', '--folder', 'a\nb'] },
  'a link with a comma': {
    code: 's3-link/bad-path',
    args: (root) => ['mount-bucket', '--link', path.join(root, 'a,b')],
  },
  'a folder of the system': {
    code: 'filesystem/system-root',
    args: () => ['link', '/', '--folder', 'usr'],
  },
  'a placeholder for a key': {
    code: 's3-link/bad-credentials',
    args: () => ['link'],
    env: () => ({ AWS_SECRET_ACCESS_KEY: 'your_secret_key_here' }),
  },
  'half of a key': {
    code: 'object-store/half-set-credentials',
    args: () => ['link'],
    env: () => ({ AWS_SECRET_ACCESS_KEY: '' }),
  },
  'an option that would lose files': {
    code: 's3-link/bad-option',
    args: () => ['link', '--option', 'nonempty'],
  },
}

testLink(
  'what must stay untouched does, and the bucket is not even asked',
  async () => {
    await prepareLink()
    for (const [title, { code, args, env, prepare }] of Object.entries(refusals)) {
      prepare?.(pod.root)
      const before = await treeOf(pod.root)
      const end = await berth(args(pod.root), env?.() ?? {})
      expect({ title, code: end.code, said: end.stderr }).toEqual({
        title,
        // 2 where the command line or a setting is wrong in itself.
        code: /bad-(?:user|path|option)|system-root|half-set/.test(code) ? 2 : 1,
        said: expect.stringContaining(code),
      })
      expect(end.stderr, title).toContain('To fix: ')
      expect(await treeOf(pod.root), title).toEqual(before)
      for (const name of ['output', 'into-mount'])
        fs.rmSync(path.join(pod.root, name), { force: true })
    }
    expect(other.requests).toEqual([])
  },
  90_000,
)

testMount(
  'a folder that is a mount becomes no link, and can be watched',
  async () => {
    const { root } = pod
    fs.mkdirSync(path.join(root, 'output'))
    const within = [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t tmpfs none ${root}/output && exec "$@"`,
      'sh',
    ]
    const before = await treeOf(root)
    const refused = await berth(['link'], {}, within)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('s3-link/is-mountpoint')
    expect(await treeOf(root)).toEqual(before)
    expect(other.requests).toEqual([])
    const told = await berth(['doctor', '--json'], {}, within)
    const { checks } = JSON.parse(told.stdout) as { checks: { name: string; code?: string }[] }
    expect(checks.find(({ name }) => name === 'folder')?.code).toBe('s3-link/is-mountpoint')
    const watched = await berth(['link', '--driver', 'watch'], {}, within)
    expect(watched.stdout).toContain(`${root}/output lies in ${other.bucket}, by watch`)
    expect(watched.code).toBe(0)
  },
  60_000,
)

/** Two links into a mount, and a folder with a file. */
async function prepareLink(): Promise<void> {
  const { root } = pod
  fs.mkdirSync(path.join(root, 'theirs'))
  fs.writeFileSync(path.join(root, 'theirs', 'file.txt'), 'theirs')
  for (const folder of ['linked', 'deep/inside']) {
    const args = ['link', root, '--folder', folder, '--store', pod.url]
    expect(pod.berth(args).code).toBe(0)
  }
}

function mountPointOf(): string {
  const runtime = path.join(pod.root, 'link', 'run')
  const key = fs.readdirSync(runtime).find((name) => /^[0-9a-f]{12}$/.test(name)) ?? ''
  return path.join(runtime, key, 'mount')
}

/** Everything in the workspace but where the processes of the links that work write all the time: at their mounts, and beside themselves. */
async function treeOf(root: string): Promise<Record<string, unknown>> {
  const names = fs.readdirSync(root).filter((name) => name !== 'link')
  const trees = names.map(async (name) => {
    const { ino, mode, mtimeMs } = fs.lstatSync(path.join(root, name))
    const isFolder = fs.lstatSync(path.join(root, name)).isDirectory()
    const below = isFolder ? await readTree(path.join(root, name), { exact: true }) : {}
    const still = Object.entries(below).filter(
      ([place]) => !/s3-link\/(?:linked|inside)\//.test(place),
    )
    return [name, { ino, mode, mtimeMs, below: Object.fromEntries(still) }] as const
  })
  return Object.fromEntries(await Promise.all(trees))
}

/** With `--store`, or the bucket's name, of the server that counts. It must be free to answer: nothing here waits in a blocking way. */
async function berth(
  [verb = '', ...args]: string[],
  env: Record<string, string>,
  within: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const hasPlace = args[0]?.startsWith('/') === true
  const place =
    verb === 'mount-bucket' ? [url] : hasPlace ? ['--store', url] : [pod.root, '--store', url]
  const program = path.join(checkout, 'packages', 'cli', 'bin', 'berth')
  const [first = program, ...rest] = [...within, program, verb, ...place, ...args]
  const options = { env: { ...pod.env, ...other.env, ...env }, encoding: 'utf8' as const }
  try {
    const { stdout, stderr } = await promisify(execFile)(first, rest, options)
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}
