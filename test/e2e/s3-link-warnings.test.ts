import * as fs from 'node:fs'
import * as path from 'node:path'
import type { StepDefinition } from '@berth/core'
import { requirement, runStep } from '@berth/core/testing'
import { s3Link } from '@berth/s3-link'
import { missingS3Server } from '@berth/object-store/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, startLinkingPod, until } from './linking.ts'

const testMount = requirement('s3fs', mayLink('s3fs'))
const testWatch = requirement('s3', missingS3Server() ?? true)

let pod: LinkingPod

beforeEach(async () => {
  if (missingS3Server() === undefined) pod = await startLinkingPod()
})

afterEach(async () => {
  if (missingS3Server() === undefined) await pod.end()
})

testMount(
  'a bucket that can’t be unmounted in time ends with 1, and says who has what open',
  () => {
    const { root, berth, url, server } = pod
    const place = path.join(root, 'bucket')
    expect(berth(['mount-bucket', url, '--link', place]).code).toBe(0)
    const open = fs.openSync(path.join(place, 'open.txt'), 'w')
    fs.writeSync(open, 'half')
    const late = berth(['unmount-bucket', server.bucket, '--within', '1s'])
    expect(late.stderr).toContain('still mounted: ')
    expect(late.stderr).toContain('not sent: 1 file, 4 B')
    expect(late.stderr).toContain(`(${process.pid})`)
    expect(late.code).toBe(1)
    // The link leads to the disk by now, and what is open is gone on with.
    expect(fs.readlinkSync(place)).toMatch(/\/spool$/)
    fs.closeSync(open)
    const ended = berth(['unmount-bucket', server.bucket, '--within', '30s'])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
  },
)

testMount('unlinking what a container that is gone had linked says what waits there', () => {
  const { root, berth, url, server } = pod
  const folder = path.join(root, 'output')
  expect(berth(['link', root, '--store', url, '--driver', 's3fs']).code).toBe(0)
  expect(berth(['unmount-bucket', server.bucket, '--keep-links']).code).toBe(0)
  fs.writeFileSync(path.join(folder, 'late.png'), 'late')
  // Its own disk is gone with it, and the volume stays.
  fs.rmSync(path.join(root, 'link'), { recursive: true })
  const ended = berth(['unlink', root])
  expect(ended.stderr).toContain(
    `\`${folder}\` is still a link, of a mount that is gone: link it again, then unlink it`,
  )
  expect(ended.stderr).toContain('1 file, 4 B, may be on this disk only, in ')
  expect(ended.stderr).toContain('`late.png`; link again to send it')
  expect(ended.stdout).toContain(`not linked: ${folder}`)
  expect(fs.readFileSync(path.join(folder, 'late.png'), 'utf8')).toBe('late')
})

testWatch(
  'a watched folder that is not sent is told wherever it could be taken for safe',
  async () => {
    const { root, berth, url, server } = pod
    const link = ['link', root, '--store', url, '--driver', 'watch', '--option']
    expect(berth([...link, 'paused=true']).code).toBe(0)
    const folder = path.join(root, 'output')
    fs.writeFileSync(path.join(folder, 'a.png'), 'a')
    await until(async () => (await pod.status()).pending.files === 1)
    const unmounted = berth(['unmount-bucket', server.bucket])
    expect(unmounted.stderr).toContain('not safe to stop, 1 file not sent')
    expect(unmounted.code).toBe(1)
    const waited = berth(['mounts', server.bucket, '--wait', '1s'])
    expect(waited.stdout).toContain('safe to stop this pod: no, 1 file, 1 B')
    expect(waited.code).toBe(3)
    expect(berth([...link, 'paused=false']).code).toBe(0)
    expect(berth(['mounts', server.bucket, '--wait', '20s']).code).toBe(0)
    expect(berth(['unmount-bucket', server.bucket])).toMatchObject({ code: 0 })
    // The end of a boot ends the watching; what comes afterwards is nobody's.
    const unmount = s3Link.steps['unmount'] as StepDefinition
    const inputs = { workspace: root, within: '20s' }
    const { outcome } = await runStep(unmount, inputs, { env: pod.env })
    expect(outcome.result).toBe('done')
    fs.writeFileSync(path.join(folder, 'late.png'), 'late')
    const ended = berth(['unlink', root])
    expect(ended.stderr).toContain(
      `\`${folder}\` was not watched any more: what was written since is on this disk only`,
    )
    expect(ended.code).toBe(0)
  },
)
