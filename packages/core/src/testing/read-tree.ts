import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface TreeOptions {
  /** Inode, owner and mtime too, so that also a rewrite with the same content shows. */
  exact?: boolean
  /** As if it lay elsewhere: files and links that name the directory compare as equal to those of another tree that name theirs. */
  relative?: boolean
}

/** Everything below a directory: path to what is there, comparable with `toEqual`. A missing directory is empty. */
export async function readTree(
  directory: string,
  options: TreeOptions = {},
): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  const own = options.relative === true ? directory : ''
  await readInto(tree, directory, { prefix: '', exact: options.exact ?? false, own })
  return tree
}

async function readInto(
  tree: Record<string, string>,
  directory: string,
  { prefix, exact, own }: { prefix: string; exact: boolean; own: string },
): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names.toSorted()) {
    const path = join(directory, name)
    const facts = await lstat(path, { bigint: true })
    const mode = (Number(facts.mode) & 0o7777).toString(8)
    const identity = exact
      ? ` inode ${facts.ino} owner ${facts.uid}:${facts.gid} mtime ${facts.mtimeNs}`
      : ''
    const key = prefix + name
    if (facts.isDirectory()) {
      tree[`${key}/`] = `directory ${mode}${identity}`
      await readInto(tree, path, { prefix: `${key}/`, exact, own })
    } else if (facts.isSymbolicLink()) {
      tree[key] = `link to ${withoutPlace(await readlink(path), own)}${identity}`
    } else if (facts.isFile()) {
      const content = withoutPlace(await readFile(path, 'latin1'), own)
      const hash = createHash('sha256').update(content, 'latin1').digest('hex')
      tree[key] = `file ${mode} ${content.length} bytes ${hash}${identity}`
    } else {
      tree[key] = `other ${mode}${identity}`
    }
  }
}

function withoutPlace(text: string, own: string): string {
  return own === '' ? text : text.replaceAll(own, '<directory>')
}
