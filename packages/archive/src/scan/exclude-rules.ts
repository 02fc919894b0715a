import { BerthError } from '@berth/core/error'
import { type LeftOut, type TreePath, baseName, parentPath } from '../format/tree.ts'

/**
 * Where well-known tools keep credentials; such a file would otherwise end up in a store that many can read. A pattern matches a
 * path in any directory of the tree: `*` stands for a name or part of one, `**` for any number of directories.
 */
const CREDENTIAL_FILES = [
  '.netrc',
  '.pgpass',
  '.git-credentials',
  '.config/git/credentials',
  '.pypirc',
  '.npmrc',
  '.cargo/credentials*',
  '.ssh/**',
  '.gnupg/**',
  '.aws/**',
  'aws/sso/**',
  'aws/cli/**',
  '.boto',
  '.s3cfg',
  '.docker/config.json',
  '.kube/config',
  '.azure/**',
  '.config/gcloud/**',
  '.config/gh/hosts.yml',
  '.config/rclone/rclone.conf',
  'rclone/rclone.conf',
  '.kaggle/kaggle.json',
  '.runpod/config.toml',
  '.vast_api_key',
  'vastai/vast_api_key',
  '.modal.toml',
  'huggingface/token',
  'huggingface/stored_tokens',
  '.huggingface/token',
  '.s3fs_passwd',
  '.passwd-s3fs',
  'civitai_api_key*',
] as const

/**
 * Compiled from a file that names its place. After a move it would be taken for compiled from the new one, which has the same time and
 * may have the same length; Python compiles it anew.
 */
const COMPILED_PLACES = ['__pycache__/__editable__*.pyc'] as const

/** What pip was removing when it was killed, and never reads again; files that NFS keeps for those who still have them open. */
const REMOVED = ['site-packages/~*', '.nfs????????????????????????'] as const

const STATE = 'state of berth'
const CHOSEN = 'excluded'
const COMPILED = 'compiled from a file that names its place'
const LEFTOVER = 'left over from a removal'
/** Why what ext4 makes itself in the root of a disk stays out. */
const OF_DISK = 'part of the file system'

/** Says whether the user, or Berth's own order, wants it left out, so that nobody needs to be told. */
export function isIntended({ reason }: LeftOut): boolean {
  return [STATE, CHOSEN, COMPILED, OF_DISK].includes(reason)
}

/** What stays out of an archive, as data that a worker thread can be sent. */
export interface ExclusionRules {
  /** Beside the credentials of known tools and Berth's own state. */
  patterns: readonly string[]
  /** The tree's own, absolute. */
  directory: string
  isMountpoint: boolean
}

/** Why an entry of one directory stays out, or `undefined`. */
export type NameExclusion = (name: string) => string | undefined

/** Says for each directory of the tree, and then for each of its entries, why it stays out. Throws `archive/bad-pattern`. */
export function createExclusion(rules: ExclusionRules): (directory: TreePath) => NameExclusion {
  const below = matcher(CREDENTIAL_FILES)
  // In a tree `.cache/huggingface` the file is just `token`. Whoever names `.ssh` itself wants what is in it.
  const files = matcher(CREDENTIAL_FILES.filter((pattern) => !pattern.endsWith('/**')))
  const place = rules.directory.split('/').slice(-2).join('/')
  const chosen = matcher(rules.patterns)
  const compiled = matcher(COMPILED_PLACES)
  const removed = matcher(REMOVED)
  return (directory) => {
    const isChosen = chosen(directory)
    const isCompiled = compiled(directory)
    const isRemoved = removed(directory)
    const isBelow = below(directory)
    const isFile = files(directory === '' ? place : `${place}/${directory}`)
    return (name) => {
      if (name === '.berth') return STATE
      if (rules.isMountpoint && directory === '' && name === 'lost+found') return OF_DISK
      if (isChosen(name)) return CHOSEN
      if (isCompiled(name)) return COMPILED
      if (isRemoved(name)) return LEFTOVER
      return isBelow(name) || isFile(name) ? 'credentials of a tool' : undefined
    }
  }
}

/** The same for a single path. */
export function whyExcluded(rules: ExclusionRules, path: TreePath): string | undefined {
  return createExclusion(rules)(parentPath(path))(baseName(path))
}

/** Nearly every entry is decided by its name alone; the whole expression is asked where that, or a directory above, may match. */
function matcher(patterns: readonly string[]): (directory: string) => (name: string) => boolean {
  const parts = patterns.map(translateParts)
  const whole = either(parts.map((list) => `(?:^|/)(?:${list.join('/')})$`))
  const named = parts.filter((list) => list.at(-1) !== DEEP)
  const names = either(named.map((list) => `^(?:${list.at(-1)})$`))
  const deep = parts.filter((list) => list.at(-1) === DEEP)
  const folders = either(deep.map((list) => `(?:^|/)${list.at(-2) ?? DEEP}(?:/|$)`))
  return (directory) => {
    const isBelowFolder = folders.test(directory)
    if (!isBelowFolder && named.length === 0) return () => false
    const prefix = directory === '' ? '' : `${directory}/`
    return (name) => (isBelowFolder || names.test(name)) && whole.test(prefix + name)
  }
}

/** Matches nothing where there is nothing to choose from. */
function either(expressions: readonly string[]): RegExp {
  return expressions.length === 0 ? /(?!)/ : new RegExp(expressions.join('|'))
}

const DEEP = '.*'

/** The parts of a pattern as regular expressions. Throws `archive/bad-pattern`. */
export function translateParts(pattern: string): string[] {
  if (pattern === '' || pattern.startsWith('/') || pattern.split('/').includes('..')) {
    throw new BerthError(
      'archive/bad-pattern',
      `could not use the pattern \`${pattern}\`: it must be relative to the tree`,
      {
        hint: 'write it without a leading slash and without `..`, such as `*.tmp` or `logs/**`',
      },
    )
  }
  return pattern.split('/').map((part) =>
    part === '**'
      ? DEEP
      : part
          .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll('*', '[^/]*')
          .replaceAll('?', '[^/]'),
  )
}
