import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { interruption } from '../interruption.ts'
import { readProcess } from '../process-facts.ts'
import { say } from '../restores.ts'
import type { UploadBench } from './measure-uploads.ts'

/** How long it takes from the end of `close` until an object is in the bucket, and how long `close` takes; in milliseconds. */
export interface Visible {
  name: string
  about: string
  visibleMs: number[]
  closeMs: number[]
  /** Of the process that sends, for each file. */
  cpuMs?: number
  missing?: string
}

interface Held {
  folder: string
  pid: number
  close: () => Promise<void>
}

const FILE_BYTES = 2_000_000
const PATIENCE_MS = 30_000
const program = path.join(import.meta.dirname, 'watch-program.ts')

/** Writes files of 2 MB one by one, as an app that makes pictures, into a watched folder and through a mount. */
export async function measureVisible(bench: UploadBench, files: number): Promise<Visible[]> {
  const kinds = [
    { name: 'watch', about: 'a watched folder', open: openWatched },
    { name: 's3fs', about: 'a mount of s3fs', open: openS3fs },
  ]
  const all: Visible[] = []
  for (const { name, about, open } of kinds) {
    const own: Visible = { name, about, visibleMs: [], closeMs: [] }
    all.push(own)
    const prefix = `visible/${name}`
    fs.mkdirSync(path.join(bench.server.directory, prefix), { recursive: true })
    const held = await open(bench, prefix).catch((error: Error) => error)
    if (held instanceof Error) {
      own.missing = held.message
      continue
    }
    try {
      const before = readProcess(held.pid).cpuSeconds
      await writeFiles(own, {
        folder: held.folder,
        files,
        there: path.join(bench.server.directory, prefix),
      })
      own.cpuMs = ((readProcess(held.pid).cpuSeconds - before) * 1000) / files
    } finally {
      await held.close()
    }
    say(`${name}: ${files} files, one by one`)
  }
  return all
}

async function writeFiles(
  own: Visible,
  { folder, files, there }: { folder: string; files: number; there: string },
): Promise<void> {
  for (let n = 0; n < files; n += 1) {
    interruption.signal.throwIfAborted()
    const name = `ComfyUI_${`${n}`.padStart(5, '0')}_.png`
    const file = fs.openSync(path.join(folder, name), 'w')
    fs.writeSync(file, randomBytes(FILE_BYTES))
    const closing = performance.now()
    fs.closeSync(file)
    const closed = performance.now()
    while (!fs.existsSync(path.join(there, name))) {
      if (performance.now() - closed > PATIENCE_MS) throw new Error(`${name} never came`)
      await sleep(2)
    }
    own.visibleMs.push(performance.now() - closed)
    own.closeMs.push(closed - closing)
    // At every moment of the watch's own rhythm.
    await sleep(150 + ((n * 137) % 400))
  }
}

async function openWatched({ server, work, env }: UploadBench, prefix: string): Promise<Held> {
  const folder = path.join(work, 'watched')
  const state = path.join(work, 'watched-state')
  fs.mkdirSync(folder)
  const url = `s3://${server.bucket}?endpoint=${server.endpoint}`
  const child = spawn(process.execPath, [program, folder, url, prefix, state], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await sleep(1_500)
  return {
    folder,
    pid: child.pid ?? 0,
    close: async () => {
      await end(child, 'SIGTERM')
      for (const path of [folder, state]) fs.rmSync(path, { recursive: true })
    },
  }
}

async function openS3fs({ server, work, env }: UploadBench, prefix: string): Promise<Held> {
  if (!fs.existsSync('/dev/fuse')) throw new Error('there is no /dev/fuse')
  const folder = path.join(work, 'mounted')
  fs.mkdirSync(folder)
  const keys = {
    ...env,
    AWSACCESSKEYID: env['AWS_ACCESS_KEY_ID'],
    AWSSECRETACCESSKEY: env['AWS_SECRET_ACCESS_KEY'],
  }
  const options = [`url=${server.endpoint}`, 'use_path_request_style', 'endpoint=us-east-1']
  const words = [
    `${server.bucket}:/${prefix}`,
    folder,
    '-f',
    ...options.flatMap((one) => ['-o', one]),
  ]
  const child = spawn('s3fs', words, { env: keys, stdio: 'ignore' })
  const failed = new Promise<Error>((resolve) => {
    child.once('error', resolve)
    child.once('exit', (code) => resolve(new Error(`s3fs ended with ${code}`)))
  })
  const close = async (): Promise<void> => {
    spawnSync('fusermount', ['-u', folder])
    await end(child, 'SIGTERM')
    fs.rmdirSync(folder)
  }
  for (let tries = 0; tries < 100; tries += 1) {
    const why = await Promise.race([failed, sleep(100)])
    if (why instanceof Error) throw why
    if (fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder} `))
      return { folder, pid: child.pid ?? 0, close }
  }
  await close()
  throw new Error('s3fs did not mount')
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(kill)
}
