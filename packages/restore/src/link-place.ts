import { lstat, readlink, rename, rmdir, symlink, unlink } from 'node:fs/promises'
import { asideName, linkDirectory } from '@berth/filesystem'

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
  await rename(at, aside)
  // An empty directory isn't worth a name of its own; rmdir refuses one that was filled meanwhile, and then it stays aside.
  const isGone = await rmdir(aside).then(
    () => true,
    () => false,
  )
  if (!isGone) return { aside, restore: () => rename(aside, at) }
  return { aside: undefined, restore: async () => {} }
}
