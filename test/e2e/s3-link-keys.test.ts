import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { requirement } from '@berth/core/testing'
import { startStubS3 } from '@berth/object-store/testing'
import { afterEach, beforeEach, expect, onTestFinished } from 'vitest'
import { type LinkingPod, mayLink, startLinkingPod, until } from './linking.ts'
import { root as checkout } from '../workspace.ts'

let pod: LinkingPod
/** In memory, as it is unless BERTH_LINK_DIR says otherwise. */
let places: string

beforeEach(async () => {
  if (mayLink('s3fs') !== true) return
  pod = await startLinkingPod()
  places = fs.mkdtempSync('/dev/shm/berth-test-keys-')
})

afterEach(async () => {
  if (mayLink('s3fs') !== true) return
  pod.berth(['unmount-bucket', '--all', '--within', '10s'], { env: { BERTH_LINK_DIR: places } })
  await pod.end()
  fs.rmSync(places, { recursive: true, force: true })
})

/** Of the pod, and nobody's business. */
const others = {
  HF_TOKEN: `hf_${randomBytes(12).toString('hex')}`,
  RUNPOD_API_KEY: `rpa_${randomBytes(12).toString('hex')}`,
  // rclone 1.60 does not start with it.
  AWS_CA_BUNDLE: '/etc/ssl/certs/ca-certificates.crt',
  LD_PRELOAD: '',
}

for (const driver of ['s3fs', 'rclone', 'watch'] as const) {
  requirement(driver === 'watch' ? 's3fs' : driver, mayLink(driver === 'watch' ? 's3fs' : driver))(
    `${driver}: keys are in no argument and no environment, and in files of this user in memory alone`,
    async () => {
      const { root, berth, url, server } = pod
      const env = { ...others, BERTH_LINK_DIR: places }
      const secret = server.env['AWS_SECRET_ACCESS_KEY'] ?? ''
      const linked = berth(['link', root, '--store', url, '--driver', driver], { env })
      expect(linked.code, linked.stderr).toBe(0)
      fs.writeFileSync(path.join(root, 'output', 'picture.png'), 'a picture')
      await until(async () => (await pod.store.get('output/picture.png')) !== undefined)

      const children = recordsIn(places)
      expect(children.length).toBe(driver === 'watch' ? 1 : 2)
      for (const pid of children) {
        const { line, variables } = processOf(pid)
        for (const value of [secret, ...Object.values(others).filter(Boolean)]) {
          expect(line, `arguments of ${pid}`).not.toContain(value)
          expect(JSON.stringify(variables), `environment of ${pid}`).not.toContain(value)
        }
        expect(Object.keys(variables).toSorted()).toEqual(['HOME', 'LC_ALL', 'PATH'])
      }
      expect(argumentsWith(secret)).toEqual([])

      const keyFiles = filesWith(places, secret)
      if (driver !== 'watch') expect(keyFiles).not.toEqual([])
      for (const file of keyFiles) {
        expect(fs.statfsSync(file).type).toBe(0x01021994)
        expect(fs.statSync(file)).toMatchObject({ uid: process.getuid?.() })
        expect((fs.statSync(file).mode & 0o777).toString(8)).toBe('600')
        expect((fs.statSync(path.dirname(file)).mode & 0o777).toString(8)).toBe('700')
      }
      expect(filesWith(root, secret)).toEqual([])
      expect(filesWith(server.directory, secret)).toEqual([])
      for (const { stdout, stderr } of [linked, berth(['mounts', '--log', '--json'], { env })]) {
        expect(stdout + stderr).not.toContain(secret)
      }

      expect(berth(['unlink', root], { env }).code).toBe(0)
      expect(filesWith(places, secret)).toEqual([])
    },
    60_000,
  )
}

for (const driver of ['s3fs', 'rclone'] as const) {
  requirement(driver, mayLink(driver))(
    `${driver}: a session token goes with every request, and is in nobody else’s environment`,
    async () => {
      const stub = await startStubS3()
      const recorder = await startRecorder(stub.endpoint)
      onTestFinished(async () => {
        recorder.close()
        await stub.close()
      })
      const token = `FwoGZXIv+${randomBytes(60).toString('base64')}`
      const env = { ...pod.env, ...stub.env, AWS_SESSION_TOKEN: token, BERTH_LINK_DIR: places }
      const url = `s3://${stub.bucket}?endpoint=${recorder.endpoint}`
      const { stdout } = await berth(['link', pod.root, '--store', url, '--driver', driver], env)
      expect(stdout).toContain(`by ${driver}`)
      const file = path.join(pod.root, 'output', 'picture.png')
      await promisify(execFile)('sh', ['-c', `echo a picture > '${file}'`])
      await until(() => stub.objects.has('output/picture.png'))
      const agents = recorder.seen.filter(({ agent }) => agent.startsWith(driver))
      expect(agents.length).toBeGreaterThan(3)
      expect(new Set(recorder.seen.map((one) => one.token))).toEqual(new Set([token]))
      const holders = recordsIn(places).filter((pid) =>
        Object.values(processOf(pid).variables).includes(token),
      )
      // s3fs takes it no other way, and its environment is its own.
      expect(holders.length).toBe(driver === 's3fs' ? 1 : 0)
      for (const pid of holders) {
        expect((fs.statSync(`/proc/${pid}/environ`).mode & 0o777).toString(8)).toBe('400')
      }
      expect(argumentsWith(token)).toEqual([])
      await berth(['unlink', pod.root], env)
    },
    60_000,
  )
}

/** The processes of the mounts that there are records of. */
function recordsIn(folder: string): number[] {
  const runtime = path.join(folder, 'run')
  return fs.readdirSync(runtime).flatMap((key) => {
    const file = path.join(runtime, key, 'mount.json')
    if (!fs.existsSync(file)) return []
    const { keeper, daemon } = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<
      string,
      { pid: number } | undefined
    >
    return [keeper, daemon].flatMap((one) => (one === undefined ? [] : [one.pid]))
  })
}

function processOf(pid: number): { line: string; variables: Record<string, string> } {
  const entries = fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
  const pairs = entries.map((entry) => [entry.split('=', 1)[0] ?? '', entry.replace(/^[^=]*=/, '')])
  return {
    line: fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
    variables: Object.fromEntries(pairs) as Record<string, string>,
  }
}

/** The processes of this machine in whose arguments a text is. */
function argumentsWith(text: string): string[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
      } catch {
        return false
      }
    })
}

/** The files below a folder that hold a text; what is mounted in it is passed over. */
function filesWith(folder: string, text: string): string[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'mount' ? [] : filesWith(place, text)
    return entry.isFile() && fs.readFileSync(place, 'latin1').includes(text) ? [place] : []
  })
}

/** Passes requests on, and remembers whose they are and the token that came with each. */
async function startRecorder(target: string) {
  const { hostname, port } = new URL(target)
  const seen: { agent: string; token: string | undefined }[] = []
  const server = createServer((incoming, outgoing) => {
    const { headers, method, url } = incoming
    const token = headers['x-amz-security-token']
    seen.push({ agent: headers['user-agent'] ?? '', token: token?.toString() })
    const upstream = request(
      { hostname, port, method, path: url, headers, setHost: false },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      },
    )
    upstream.on('error', () => outgoing.destroy())
    incoming.pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Without blocking: the servers of these tests are in this process. */
function berth(args: readonly string[], env: Record<string, string>): Promise<{ stdout: string }> {
  const program = path.join(checkout, 'packages', 'cli', 'bin', 'berth')
  return promisify(execFile)(program, args, { env })
}
