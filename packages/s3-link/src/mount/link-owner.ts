import { readFileSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { type LinkRecord, stateOf } from './registry.ts'

interface Owner {
  host: string
  /** Of the machine's start: after it nothing of what ran then runs. */
  bootId: string
  /** By the owner's clock, and only compared with what it was before. */
  at: number
}

const beatMs = 5_000
/** Longer than a few beats, and than what a network volume shows late. */
const listenMs = 20_000
const overMs = 60_000

/**
 * Throws `s3-link/other-pod` when another pod, which shares the volume, keeps this link: the link would be turned to and fro, and what one has
 * in its spool is the other's folder.
 */
export async function requireOwnLink(path: string): Promise<void> {
  const other = await findOtherOwner(path)
  if (other === undefined) return
  throw new BerthError(
    's3-link/other-pod',
    `could not link \`${path}\`: the pod \`${other.host}\` keeps it, on the same volume`,
    { hint: 'give each pod a folder of its own with `user`, or end that pod' },
  )
}

/**
 * The pod that keeps a link and is not this one. One that was heard of in the last minute is listened for: a pod that was killed and comes
 * again under another name takes the link over.
 */
export async function findOtherOwner(path: string): Promise<{ host: string } | undefined> {
  const before = await readOtherOwner(path)
  if (before === undefined) return undefined
  const end = performance.now() + listenMs
  while (performance.now() < end) {
    const now = await readOwner(path)
    if (now === undefined) return undefined
    if (now.at !== before.at) return isOwn(now) ? undefined : { host: now.host }
    await sleep(500)
  }
  await writeOwner(path)
  return undefined
}

/** Says again and again that this pod keeps its links, and knows which ones another took meanwhile. */
export class LinkOwnership {
  #saidAt = Number.NEGATIVE_INFINITY
  readonly #others = new Set<string>()
  readonly #said = new Set<string>()

  /** Those that are this pod's; others are left alone. */
  async keep(links: readonly LinkRecord[]): Promise<LinkRecord[]> {
    const now = performance.now()
    const isDue = now - this.#saidAt >= beatMs
    if (isDue) this.#saidAt = now
    for (const { path } of links) {
      if (isDue || !this.#said.has(path)) await this.#say(path)
    }
    return links.filter(({ path }) => !this.#others.has(path))
  }

  async release(links: readonly LinkRecord[]): Promise<void> {
    for (const { path } of links) await releaseLink(path)
  }

  async #say(path: string): Promise<void> {
    this.#said.add(path)
    try {
      if ((await readOtherOwner(path)) === undefined) {
        this.#others.delete(path)
        await writeOwner(path)
      } else this.#others.add(path)
    } catch {
      // A volume that is full, or away for a moment: the next beat says it.
    }
  }
}

/** A link that is no more has no owner. */
export async function releaseLink(path: string): Promise<void> {
  const owner = await readOwner(path)
  if (owner !== undefined && isOwn(owner)) await rm(ownerFile(path), { force: true })
}

/** Undefined for none, for this pod, and for one that has not been heard of for long. */
async function readOtherOwner(path: string): Promise<Owner | undefined> {
  const owner = await readOwner(path)
  if (owner === undefined || isOwn(owner)) return undefined
  const file = ownerFile(path)
  const fresh = `${file}.${hostname()}`
  try {
    // By the volume's clock: those of two machines may differ.
    await writeFileAtomic(fresh, '')
    const [{ mtimeMs: now }, { mtimeMs: last }] = await Promise.all([stat(fresh), stat(file)])
    return now - last < overMs ? owner : undefined
  } catch {
    return owner
  } finally {
    await rm(fresh, { force: true })
  }
}

function ownerFile(path: string): string {
  return join(stateOf(path), 'owner.json')
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const data = await readFileIfPresent(ownerFile(path))
    return data === undefined ? undefined : (JSON.parse(data.toString()) as Owner)
  } catch {
    return undefined
  }
}

function writeOwner(path: string): Promise<void> {
  const owner: Owner = { host: hostname(), bootId: readBootId(), at: Date.now() }
  return writeFileAtomic(ownerFile(path), `${JSON.stringify(owner)}\n`)
}

function isOwn({ host, bootId }: Owner): boolean {
  return host === hostname() && bootId === readBootId()
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
