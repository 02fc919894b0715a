import { lstat, readlink, rmdir, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BerthError, z } from '@berth/core'
import {
  asideName,
  linkDirectory,
  moveTree,
  readFileIfPresent,
  writeFileAtomic,
} from '@berth/filesystem'

/** Directory, as the recipe names it, to where Berth's own link points, word for word. */
export type Links = Readonly<Record<string, string>>

const linksFile = z.object({ version: z.literal(1), links: z.record(z.string(), z.string()) })

/** The links that Berth made below `pod`; empty where it made none. Throws `restore/bad-links-file` for a file that it can't read. */
export async function readLinks(pod: string): Promise<Links> {
  const path = linksPath(pod)
  const data = await readFileIfPresent(path)
  if (data === undefined) return {}
  try {
    return linksFile.parse(JSON.parse(data.toString())).links
  } catch (cause) {
    throw new BerthError(
      'restore/bad-links-file',
      `could not read the record of links \`${path}\`: it is not what Berth wrote`,
      { hint: `remove \`${path}\`: links to the volume are recognised without it`, cause },
    )
  }
}

/**
 * Replaces the record as a whole, atomically. Written before a link is made: an entry without its link does no harm, because only a
 * link that points word for word to the recorded place counts as ours.
 */
export async function writeLinks(pod: string, links: Links): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(links).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  await writeFileAtomic(
    linksPath(pod),
    `${JSON.stringify({ version: 1, links: sorted }, undefined, 2)}\n`,
  )
}

function linksPath(pod: string): string {
  return join(pod, '.berth', 'links.json')
}

export interface LinkedPlace {
  changed: boolean
  /** Where the directory that was in the way is now. */
  aside: string | undefined
  /** Puts back what was there before. */
  takeBack: () => Promise<void>
}

/**
 * Makes `at` a link to `target`. What is there must have been decided on before: a link of ours is replaced, an empty directory
 * makes way, a directory with something in it is renamed aside. When the link fails, all is as it was.
 */
export async function linkPlace(at: string, target: string): Promise<LinkedPlace> {
  const before = await makeWay(at)
  try {
    const { changed, previous } = await linkDirectory({ at, target })
    const takeBack = async () => {
      if (!changed) return
      await unlink(at)
      await (previous === undefined ? before.restore() : symlink(previous, at))
    }
    return { changed, aside: before.aside, takeBack }
  } catch (error) {
    await before.restore()
    throw error
  }
}

/** Removes a link, and only a link; answers how to put it back. */
export async function removeLink(at: string): Promise<() => Promise<void>> {
  const target = await readlink(at)
  await unlink(at)
  return () => symlink(target, at)
}

interface Way {
  aside: string | undefined
  restore: () => Promise<void>
}

async function makeWay(at: string): Promise<Way> {
  const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found?.isDirectory() !== true) return { aside: undefined, restore: async () => {} }
  const aside = await asideName(at)
  await moveTree(at, aside)
  // An empty directory isn't worth a name of its own; rmdir refuses one that was filled meanwhile, and then it stays aside.
  const isGone = await rmdir(aside).then(
    () => true,
    () => false,
  )
  if (!isGone) return { aside, restore: () => moveTree(aside, at) }
  return { aside: undefined, restore: async () => {} }
}
