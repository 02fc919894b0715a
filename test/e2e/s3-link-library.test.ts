import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { requirement } from '@berth/core/testing'
import { isMounted, mountBucket, unmountBucket } from '@berth/s3-link/links'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, mountProcesses, startLinkingPod, until } from './linking.ts'
import { readText, root as checkout } from '../workspace.ts'

const may = mayLink('s3fs')
const testLink = requirement('s3fs', may)

let pod: LinkingPod

beforeEach(async () => {
  if (may === true) pod = await startLinkingPod()
})

afterEach(async () => {
  if (may === true) await pod.end()
})

/** A block of the README, with the names of this pod. */
function blockOf(language: 'sh' | 'ts'): string {
  const readme = readText('packages/s3-link/README.md')
  const [, part = ''] = /^## Buckets by hand$(.*?)^## /ms.exec(readme) ?? []
  const [, block = ''] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(part) ?? []
  return block
    .replaceAll('my-bucket', pod.server.bucket)
    .replaceAll('https://s3.example.com', pod.server.directEndpoint)
    .replaceAll(/(?<=[ '])\/(?=data|models)/g, `${pod.root}/`)
}

testLink(
  'the commands of the README do what they say',
  async () => {
    const { root, server, store } = pod
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = server.env
    const config = path.join(root, 'rclone.conf')
    fs.writeFileSync(
      config,
      `[lab]\ntype = s3\naccess_key_id = ${id}\nsecret_access_key = ${secret}\nendpoint = ${server.directEndpoint}\n`,
    )
    await store.put('models/one.bin', Buffer.from('a model'))
    const commands = blockOf('sh').trim().split('\n')
    expect(commands.length).toBeGreaterThan(8)
    const env = {
      ...pod.env,
      AWS_ENDPOINT_URL_S3: server.directEndpoint,
      RCLONE_CONFIG: config,
      PATH: `${checkout}/node_modules/.bin:${pod.env['PATH']}`,
    }
    const places = [`s3_buckets/${server.bucket}`, `data/${server.bucket}`, 'models']
    const seen: Record<string, (string | undefined)[]> = {}
    for (const command of commands) {
      const { stderr } = await promisify(execFile)('sh', ['-ec', command], { env })
      expect(stderr, command).toBe('')
      const [name = ''] = command.split(' #')
      seen[name.trim().replaceAll(root, '')] = places.map((place) => linkOf(path.join(root, place)))
    }
    const bucket = server.bucket
    expect(seen).toMatchObject({
      [`berth mount-bucket ${bucket}`]: ['mount', undefined, undefined],
      [`berth mount-bucket ${bucket} --root /data`]: ['mount', 'mount', undefined],
      [`berth mount-bucket s3://${bucket}/models --link /models`]: ['mount', 'mount', 'mount'],
      [`berth unmount-bucket ${bucket} --root /data`]: ['mount', undefined, 'mount'],
      [`berth unmount-bucket ${bucket} --keep-links`]: ['spool', undefined, 'mount'],
      'berth unmount-bucket --all --within 5m': ['spool', undefined, undefined],
    })
    expect(mountProcesses(pod)).toEqual([])
  },
  90_000,
)

testLink(
  'the program of the README mounts, asks and unmounts',
  async () => {
    const program = ['--input-type=module-typescript', '--eval', blockOf('ts')]
    const { stdout } = await promisify(execFile)(process.execPath, program, {
      cwd: path.join(checkout, 'test'),
      env: pod.env,
    })
    const place = path.join(pod.root, 'data', pod.server.bucket)
    expect(stdout).toBe(`done: ${place}, mounted: true\nunmounted, not sent: 0\n`)
    expect(fs.existsSync(place)).toBe(false)
    expect(mountProcesses(pod)).toEqual([])
  },
  60_000,
)

testLink(
  'a link is taken away alone, and what is mounted is told from what was',
  async () => {
    const { env, url, root, store } = pod
    const signal = AbortSignal.timeout(60_000)
    const links = ['one', 'two', 'three'].map((name) => path.join(root, name))
    expect(await isMounted(url, env)).toBe(false)
    const mounted = await mountBucket({ bucket: url, links, env, signal })
    expect(mounted).toMatchObject({ result: 'done', links })
    expect(await mountBucket({ bucket: url, links, env, signal })).toMatchObject({
      result: 'unchanged',
    })
    const deadline = () => Date.now() + 20_000
    const first = await unmountBucket({ links: links.slice(0, 1), env, deadline: deadline() })
    expect(first).toMatchObject([{ state: 'in-use', links: links.slice(0, 1) }])
    expect(links.map((link) => linkOf(link))).toEqual([undefined, 'mount', 'mount'])
    expect(await isMounted(url, env)).toBe(true)
    expect(await isMounted(`s3://${pod.server.bucket}`, env)).toBe(true)
    expect(await isMounted('another', env)).toBe(false)
    await promisify(execFile)('sh', ['-c', `echo kept > ${links[1]}/kept.txt`])
    const rest = await unmountBucket({ links: links.slice(1), env, deadline: deadline() })
    expect(rest).toMatchObject([{ state: 'unmounted', pending: { files: 0 } }])
    expect(rest[0]?.links.toSorted()).toEqual(links.slice(1).toSorted())
    expect(await isMounted(url, env)).toBe(false)
    expect((await store.get('kept.txt'))?.toString()).toBe('kept\n')
    expect(await unmountBucket({ bucket: url, env, deadline: deadline() })).toEqual([])
    expect(links.map((link) => fs.existsSync(link))).toEqual([false, false, false])
  },
  60_000,
)

testLink(
  'a mount that is gone with its processes is not mounted, and is unmounted without a word',
  async () => {
    const { env, url, root } = pod
    const signal = AbortSignal.timeout(60_000)
    const link = path.join(root, 'one')
    const { mountPoint } = await mountBucket({ bucket: url, links: [link], env, signal })
    for (const { keeper, daemon } of mountProcesses(pod)) {
      for (const pid of [keeper, daemon]) {
        process.kill(pid, 'SIGKILL')
        await until(() => !fs.existsSync(`/proc/${pid}`))
      }
    }
    pod.unmountLazily(mountPoint)
    expect(await isMounted(url, env)).toBe(false)
    const ended = await unmountBucket({ bucket: url, env, deadline: Date.now() + 20_000 })
    expect(ended).toMatchObject([{ state: 'unmounted', links: [link] }])
    expect(fs.existsSync(link)).toBe(false)
  },
  60_000,
)

/** Where a link leads: `mount`, `spool`, or undefined where there is none. */
function linkOf(place: string): string | undefined {
  try {
    const target = fs.readlinkSync(place)
    return target.endsWith('/spool') ? 'spool' : target.includes('/mount') ? 'mount' : target
  } catch {
    return undefined
  }
}
