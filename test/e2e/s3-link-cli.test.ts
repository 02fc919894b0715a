import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount, requirement } from '@berth/core/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, mountProcesses, startLinkingPod } from './linking.ts'
import { root as checkout } from '../workspace.ts'

const may = mayLink('s3fs')
const testLink = requirement('s3fs', may)
const testNamespace = requirement('mount', may === true ? mayMount() : may)

let pod: LinkingPod

beforeEach(async () => {
  if (may === true) pod = await startLinkingPod()
})

afterEach(async () => {
  if (may === true) await pod.end()
})

testLink(
  'a bucket is mounted once, with as many links as wanted, and unmounted when all is sent',
  () => {
    const { root, berth, url } = pod
    const links = [path.join(root, 'one'), path.join(root, 'two')]
    const first = berth(['mount-bucket', url, '--root', path.join(root, 'buckets'), '--json'])
    expect(first.stderr).toBe('')
    expect(JSON.parse(first.stdout)).toMatchObject({ result: 'done', driver: 's3fs' })
    const place = path.join(root, 'buckets', pod.server.bucket)
    fs.writeFileSync(path.join(place, 'seen.txt'), 'seen')
    const open = fs.openSync(path.join(place, 'open.txt'), 'w')
    fs.writeSync(open, 'half')
    const busy = berth(['mounts', '--wait', '2s'])
    expect(busy.stdout).toContain('safe to stop this pod: no, 1 file, 4 B')
    expect(busy.code).toBe(3)
    fs.closeSync(open)
    expect(berth(['mounts', '--wait', '20s']).code).toBe(0)
    for (const wait of [[], ['--wait', '20s']]) {
      const mistyped = berth(['mounts', 'misspelt', ...wait])
      expect(mistyped).toMatchObject({ code: 2, stdout: '' })
      expect(mistyped.stderr).toContain(`linked are \`s3://${pod.server.bucket}\``)
    }
    expect(berth(['mounts', pod.server.bucket, '--wait', '20s']).code).toBe(0)
    const again = berth(['mount-bucket', url, '--link', links[0] ?? '', '--link', links[1] ?? ''])
    expect(again.code).toBe(0)
    for (const link of links) {
      expect(fs.readFileSync(path.join(link, 'seen.txt'), 'utf8')).toBe('seen')
    }
    const unchanged = berth(['mount-bucket', url, '--link', links[0] ?? '', '--json'])
    expect(JSON.parse(unchanged.stdout)).toMatchObject({ result: 'unchanged' })
    expect(mountProcesses(pod)).toHaveLength(1)
    const listed = berth(['mount-bucket', '--list', '--json'])
    expect(JSON.parse(listed.stdout)[0].links).toHaveLength(3)
    const kept = berth(['unmount-bucket', pod.server.bucket, '--keep-links'])
    expect(kept).toMatchObject({ code: 0, stderr: '' })
    expect(fs.lstatSync(place).isSymbolicLink()).toBe(true)
    expect(berth(['unmount-bucket', '--all']).stderr).toBe('nothing is mounted\n')
    expect(berth(['mount-bucket', url, '--root', path.join(root, 'buckets')]).code).toBe(0)
    expect(berth(['unmount-bucket', '--all']).code).toBe(0)
    expect(fs.existsSync(place)).toBe(false)
    expect(berth(['mounts']).stdout).toContain('nothing is mounted or watched now')
  },
  60_000,
)

testLink('taking a link away says where its files are, and which may be on this disk only', () => {
  const { root, berth, url } = pod
  const nowhere = path.join(root, 'nowhere')
  expect(berth(['link', nowhere, '--store', url])).toMatchObject({ code: 2, stdout: '' })
  expect(fs.existsSync(nowhere)).toBe(false)
  const folder = path.join(root, 'output', 'erin')
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'old.png'), 'old')
  const link = ['link', root, '--user', 'erin', '--store', url, '--driver', 's3fs']
  expect(berth(link).code).toBe(0)
  expect(berth(['unmount-bucket', pod.server.bucket, '--keep-links']).code).toBe(0)
  fs.writeFileSync(path.join(folder, 'late.png'), 'late')
  const ended = berth(['unlink', root, '--user', 'erin'])
  expect(ended.stderr).toContain(
    '1 file, 4 B, may be on this disk only: `late.png`; link again to send it',
  )
  expect(ended.stdout).toContain(
    `${folder} is a plain folder; its files are in ${pod.server.bucket}/output/erin; what was there before is in ${folder}.berth-original`,
  )
  expect(fs.readdirSync(folder)).toEqual(['late.png'])
  const again = berth(['unlink', root, '--user', 'erin'])
  expect(again).toMatchObject({ code: 0, stderr: '' })
  expect(again.stdout).toContain(`not linked: ${folder}`)
})

testLink(
  'taking a link away after a restart says that its mount is gone, and what waits beside it',
  async () => {
    const { root, berth, url, store } = pod
    const link = ['link', root, '--user', 'erin', '--store', url, '--driver', 's3fs']
    expect(berth(link).code).toBe(0)
    const folder = path.join(root, 'output', 'erin')
    const mountPoint = path.resolve(fs.readlinkSync(folder), '../..')
    const [{ keeper = 0, daemon = 0 } = {}] = mountProcesses(pod)
    for (const pid of [keeper, daemon]) process.kill(pid, 'SIGKILL')
    pod.unmountLazily(mountPoint)
    fs.rmSync(path.join(root, 'link'), { recursive: true })
    const spool = path.join(root, 'output/.berth/s3-link/erin/spool')
    fs.writeFileSync(path.join(spool, 'late.png'), 'late')
    const told = berth(['unlink', root, '--user', 'erin'])
    expect(told.stderr).toContain(
      `\`${folder}\` is still a link, of a mount that is gone: link it again, then unlink it`,
    )
    expect(told.stderr).toContain(
      `1 file, 4 B, may be on this disk only, in \`${spool}\`: \`late.png\`; link again to send it`,
    )
    expect(told.code).toBe(0)
    expect(fs.readFileSync(path.join(spool, 'late.png'), 'utf8')).toBe('late')
    const again = berth(link)
    expect(again.code, again.stderr).toBe(0)
    expect(berth(['unlink', root, '--user', 'erin'])).toMatchObject({ code: 0, stderr: '' })
    expect((await store.get('output/erin/late.png'))?.toString()).toBe('late')
    expect(fs.lstatSync(folder).isDirectory()).toBe(true)
  },
  60_000,
)

testLink('a bucket is mounted by a remote of rclone.conf', () => {
  const { root, berth, server } = pod
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = server.env
  const config = path.join(root, 'rclone.conf')
  fs.writeFileSync(
    config,
    `[lab]\ntype = s3\naccess_key_id = ${id}\nsecret_access_key = ${secret}\nendpoint = ${server.directEndpoint}\nacl = public-read\n`,
  )
  const env = { RCLONE_CONFIG: config, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }
  const mounted = berth(['mount-bucket', server.bucket, '--remote', 'lab'], { env })
  expect(mounted.stderr).toBe('`acl = public-read` of `lab` is left out: files stay private\n')
  expect(mounted.code).toBe(0)
  expect(fs.existsSync(path.join(root, 's3_buckets', server.bucket))).toBe(true)
  expect(berth(['unmount-bucket', '--all'], { env }).code).toBe(0)
})

testLink('a bucket by the name of the pod’s own store is mounted from its endpoint', () => {
  const { root, berth, server, url } = pod
  const mounted = berth(['mount-bucket', server.bucket], { env: { BERTH_STORE: url } })
  expect(mounted).toMatchObject({ code: 0, stderr: '' })
  expect(fs.existsSync(path.join(root, 's3_buckets', server.bucket))).toBe(true)
  expect(berth(['unmount-bucket', '--all']).code).toBe(0)
})

testLink('a pod says what it can do, step by step', () => {
  const { root, berth, url } = pod
  const well = berth(['doctor', root, '--store', url])
  expect(well.stdout.replaceAll(/\d+ ms/g, 'N ms')).toContain('write ✔ 1024 bytes (N ms)')
  expect(well.stdout).toContain('mounting ✔ this process may mount')
  expect(well.stdout).toContain('a folder can be linked, and would be mounted with s3fs')
  expect(well).toMatchObject({ code: 0, stderr: '' })
  const env = { AWS_SECRET_ACCESS_KEY: 'wrong' }
  const wrong = berth(['doctor', root, '--store', url, '--json'], { env })
  expect(wrong.code).toBe(1)
  const report = JSON.parse(wrong.stdout)
  expect(report).toMatchObject({ ok: false, bucket: pod.server.bucket, driver: 's3fs' })
  const found = report.checks.find((check: { result: string }) => check.result === 'failed')
  expect(found).toMatchObject({ name: 'list', code: 'object-store/bad-credentials' })
  expect(found.hint).toContain('AWS_SECRET_ACCESS_KEY')
  const none = berth(['doctor', root])
  expect(none.stdout).toContain('settings ✖ could not link: no bucket was named')
  expect(none.code).toBe(1)
})

testLink('the recipe has the app’s output in the bucket when the pod has ended', async () => {
  const { root, berth, url, store } = pod
  const app = 'echo a picture > "$NETWORK_VOLUME/output/alice/picture.png"'
  const env = {
    NETWORK_VOLUME: root,
    COMFYUI_USER: 'alice',
    BERTH_STORE: url,
    BERTH_STATE_DIR: path.join(root, 'state'),
  }
  const recipe = 'recipes/comfyui-s3-output.yaml'
  const lived = berth(['boot', recipe, '--', 'sh', '-c', app], { env, directory: checkout })
  expect(lived.code, lived.stderr).toBe(0)
  expect((await store.get('output/alice/picture.png'))?.toString()).toBe('a picture\n')
  expect(mountProcesses(pod)).toEqual([])
  expect(fs.lstatSync(path.join(root, 'output', 'alice')).isSymbolicLink()).toBe(true)
})

/** A /dev of its own, with everything but /dev/fuse. */
const withoutDevice = [
  'unshare',
  '-m',
  'sh',
  '-c',
  `d=$HOME/dev && mkdir -p $d && mount -t tmpfs none $d && for n in null zero full random urandom tty; do : > $d/$n && mount --bind /dev/$n $d/$n; done &&
   mkdir $d/shm && mount --bind /dev/shm $d/shm && ln -s /proc/self/fd $d/fd && mount --move $d /dev && exec "$@"`,
  'sh',
]
const withoutCapability = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin']

for (const [title, within, why] of [
  ['without /dev/fuse', withoutDevice, 'this container has no /dev/fuse'],
  ['without the right to mount', withoutCapability, 'this container lacks CAP_SYS_ADMIN'],
] as const) {
  testNamespace(`${title} a folder is watched, and it is said why`, async () => {
    const { root, berth, url, store } = pod
    const linked = berth(['link', root, '--user', 'alice', '--store', url], { within })
    expect(linked.stderr).toContain(why)
    expect(linked.stderr).toContain('the folder is watched instead')
    expect(linked.code).toBe(0)
    const folder = path.join(root, 'output', 'alice')
    fs.writeFileSync(path.join(folder, 'picture.png'), 'a picture')
    const waited = berth(['mounts', '--wait', '20s'])
    expect(waited.stdout).toContain('safe to stop this pod: yes')
    expect(waited.code).toBe(0)
    expect((await store.get('output/alice/picture.png'))?.toString()).toBe('a picture')
    expect(await pod.status()).toMatchObject({ driver: 'watch', colour: 'green' })
    const again = berth(['link', root, '--user', 'alice', '--store', url, '--json'], { within })
    expect(JSON.parse(again.stdout)).toMatchObject({ result: 'unchanged' })
    // What is watched is no mount of a bucket by hand.
    expect(berth(['unmount-bucket', '--all']).stderr).toBe('nothing is mounted\n')
    expect(berth(['unmount-bucket', pod.server.bucket]).stderr).toContain(
      `not mounted, but watched: ${folder}`,
    )
    fs.writeFileSync(path.join(folder, 'last.png'), 'the last')
    expect(berth(['unlink', root, '--user', 'alice']).code).toBe(0)
    expect((await store.get('output/alice/last.png'))?.toString()).toBe('the last')
    expect(fs.readdirSync(folder).toSorted()).toEqual(['last.png', 'picture.png'])
  })

  testNamespace(
    `${title} wrong keys and a bucket that is not there are errors, and nothing is watched`,
    () => {
      const { root, berth, url } = pod
      const args = ['link', root, '--store']
      const env = { AWS_SECRET_ACCESS_KEY: 'wrong' }
      const wrongKey = berth([...args, url], { within, env })
      expect(wrongKey.stderr).toContain('object-store/bad-credentials')
      const noBucket = berth([...args, url.replace(pod.server.bucket, 'not-there')], { within })
      expect(noBucket.stderr).toContain('object-store/no-such-bucket')
      expect([wrongKey.code, noBucket.code]).toEqual([1, 1])
      expect(fs.existsSync(path.join(root, 'output'))).toBe(false)
      expect(berth(['mounts']).stdout).toContain('nothing is mounted or watched now')
    },
  )
}
