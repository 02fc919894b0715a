import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startStubS3, type StubS3 } from '@berth/object-store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { Pod } from './pod.ts'

interface Answer {
  code: number | null
  stdout: string
  stderr: string
}

interface LinkingPod {
  pod: Pod
  stub: StubS3
  ask: (...args: string[]) => Promise<Answer>
}

/** A pod whose own disk is `NETWORK_VOLUME`, and a bucket. */
async function linkingPod(): Promise<LinkingPod> {
  const stub = await startStubS3()
  const pod = new Pod('')
  const links = join(pod.directory, 'links')
  onTestFinished(async () => {
    endKeepers(links)
    await stub.close()
  })
  const env = {
    ...stub.env,
    BERTH_STORE: '',
    BERTH_LINK_DIR: links,
    NETWORK_VOLUME: pod.directory,
  }
  const ask = async (...args: string[]): Promise<Answer> => {
    const run = pod.berth(args, env)
    await run.exited
    const { code } = await run.ended
    return { code, stdout: run.stdout, stderr: run.stderr }
  }
  return { pod, stub, ask }
}

/** Ends whoever stays with a folder, where a failed test left it. */
function endKeepers(links: string): void {
  const files = existsSync(links) ? readdirSync(links, { recursive: true, encoding: 'utf8' }) : []
  for (const name of files.filter((file) => file.endsWith('mount.json'))) {
    const { keeper } = JSON.parse(readFileSync(join(links, name), 'utf8')) as KeptMount
    try {
      process.kill(keeper.pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

interface KeptMount {
  keeper: { pid: number }
}

test('doctor, link and unlink mean the pod’s own disk where no workspace is named', async () => {
  const { pod, stub, ask } = await linkingPod()
  const path = join(pod.directory, 'output')
  const seen = await ask('doctor', '--store', stub.url)
  expect(seen.stdout).toContain(`${pod.directory}: `)
  const linked = await ask('link', '--store', stub.url, '--driver', 'watch', '--json')
  expect(linked.code, linked.stderr).toBe(0)
  expect(JSON.parse(linked.stdout)).toMatchObject({ result: 'done', path })
  writeFileSync(join(path, 'picture.png'), 'a picture')
  const ended = await ask('unlink', '--json')
  expect(ended.code, ended.stderr).toBe(0)
  expect(JSON.parse(ended.stdout)).toMatchObject({ result: 'done', path })
  expect([...stub.objects.keys()]).toContainEqual(expect.stringMatching(/output\/picture\.png$/))
}, 60_000)

test('unmounting a bucket that is watched ends with 1 while files are not sent, and names the folder', async () => {
  const { pod, stub, ask } = await linkingPod()
  const path = join(pod.directory, 'output')
  expect((await ask('link', '--store', stub.url, '--driver', 'watch')).code).toBe(0)
  const idle = await ask('unmount-bucket', stub.url)
  expect(idle.code, idle.stderr).toBe(0)
  expect(idle.stderr).toContain(`not mounted, but watched: ${path} (all is sent)`)
  stub.fault({ kind: { status: 503, code: 'SlowDown' }, method: 'PUT' })
  writeFileSync(join(path, 'picture.png'), 'a picture')
  let busy = await ask('unmount-bucket', stub.url)
  for (const until = Date.now() + 60_000; Date.now() < until;) {
    if (busy.stderr.includes(', 1 file not sent')) break
    busy = await ask('unmount-bucket', stub.url)
  }
  expect(busy.stderr).toContain(
    `not mounted, but watched: ${path} (not safe to stop, 1 file not sent); \`berth unlink\` ends it`,
  )
  expect(busy.code).toBe(1)
  stub.clearFaults()
  expect((await ask('unlink', '--within', '60s')).code).toBe(0)
  expect(stub.objects.size).toBeGreaterThan(0)
}, 180_000)

test('unlinking a folder whose pod has ended warns that what came since is on this disk only', async () => {
  const { pod, stub, ask } = await linkingPod()
  const path = join(pod.directory, 'output')
  const inputs = `workspace: ${pod.directory}, store: "${stub.url}", driver: watch`
  pod.write('link.yaml', `boot: [{ uses: s3-link/link, with: { ${inputs} } }]`)
  const lived = await ask('boot', 'link.yaml', '--', 'touch', join(path, 'early.png'))
  expect(lived.code, lived.stderr).toBe(0)
  mkdirSync(join(path, 'late'))
  writeFileSync(join(path, 'late/picture.png'), 'a picture')
  const ended = await ask('unlink')
  expect(ended.stderr).toContain(
    `\`${path}\` was not watched any more: what was written since is on this disk only; link again to send it`,
  )
  expect(ended.code, ended.stderr).toBe(0)
  expect(readFileSync(join(path, 'late/picture.png'), 'utf8')).toBe('a picture')
  const again = await ask('link', '--store', stub.url, '--driver', 'watch')
  expect(again.code, again.stderr).toBe(0)
  expect(await ask('unlink')).toMatchObject({ code: 0, stderr: '' })
  const sent = [...stub.objects.keys()].join(' ')
  expect(sent).toMatch(/early\.png.*late\/picture\.png/)
}, 120_000)

test('doctor and link say what the command line takes, where nothing was named', async () => {
  const { pod, ask } = await linkingPod()
  const link = await ask('link', pod.directory)
  expect(link.stderr).toContain('give `--store s3://bucket/prefix`')
  const missing = join(pod.directory, 'mispelt')
  const doctor = await ask('doctor', missing, '--store', 'file:///proc/store')
  expect(doctor.stdout).toContain(`${missing} is not there`)
  expect(doctor.stdout).toContain('no save can make it')
  expect((await ask('doctor')).stdout).toContain('a store in a directory works too')
})

test('doctor takes a store that is a directory: whether it is there, and no bucket is asked', async () => {
  const { pod, stub, ask } = await linkingPod()
  const store = join(pod.directory, 'store')
  const absent = await ask('doctor', '--store', `file://${store}`)
  expect(absent.stdout).toMatch(new RegExp(`store .*${store}: .* it is not there yet`))
  mkdirSync(store)
  const there = await ask('doctor', '--store', `file://${store}`, '--json')
  const { machine, checks, bucket } = JSON.parse(there.stdout) as {
    machine: { name: string; said: string }[]
    checks: unknown[]
    bucket: unknown
  }
  const said = machine.find(({ name }) => name === 'store')?.said
  expect(said).toMatch(new RegExp(`^${store}: .* free`))
  expect(said).not.toContain('not there yet')
  expect({ checks, bucket, requests: stub.requests }).toEqual({
    checks: [],
    bucket: null,
    requests: [],
  })
}, 60_000)
