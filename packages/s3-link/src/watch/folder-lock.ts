import { readFileSync } from 'node:fs'
import { open, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { hasErrno, makeDirectory } from '@berth/filesystem'
import { readProcess } from '../mount/process-facts.ts'

interface Holder {
  pid: number
  startedAt: string
  host: string
  bootId: string
}

const BEAT_MS = 10_000
const OVER_MS = 60_000

/**
 * Makes this process the only one that works with a state folder. A holder on this machine that has ended is followed at once; one on
 * another machine only when it has not been heard of for a minute. Throws `s3-link/already-watched`.
 */
export async function lockState(state: string): Promise<{ release: () => Promise<void> }> {
  await makeDirectory(state, 0o700)
  const path = join(state, 'lock')
  const own = await ownRecord()
  for (let tries = 0; !(await create(path, own)); tries++) {
    const holder = await readHolder(path)
    if (holder !== undefined && (tries >= 5 || (await isAlive(holder, path)))) {
      throw new BerthError(
        's3-link/already-watched',
        `could not use \`${state}\`: process ${holder.pid} on ${holder.host} works with it`,
        { hint: 'end that process, or give each folder a state of its own' },
      )
    }
    await rm(path, { force: true })
  }
  const beat = setInterval(() => void touch(path), BEAT_MS).unref()
  return {
    release: async () => {
      clearInterval(beat)
      const holder = await readHolder(path)
      if (holder?.pid === own.pid && holder.startedAt === own.startedAt)
        await rm(path, { force: true })
    },
  }
}

async function ownRecord(): Promise<Holder> {
  return {
    pid: process.pid,
    startedAt: (await readProcess(process.pid))?.startedAt ?? '',
    host: hostname(),
    bootId: bootId(),
  }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  if (holder.host === hostname() && holder.bootId === bootId()) {
    return (await readProcess(holder.pid))?.startedAt === holder.startedAt
  }
  const status = await stat(path).catch(() => undefined)
  return status !== undefined && Date.now() - status.mtimeMs < OVER_MS
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(JSON.stringify(holder))
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    // Above all on a full disk the files must get away from it.
    if (hasErrno(error, 'ENOSPC', 'EDQUOT')) return true
    throw error
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date()
  try {
    await using file = await open(path, 'r+')
    await file.utimes(now, now)
  } catch {
    // The next beat tries again.
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
