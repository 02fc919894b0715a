import { textInput } from '@berth/core'
import { BerthError } from '@berth/core/error'
import type { LeftOut, TreePath } from './tree.ts'

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

const STATE = 'state of berth'
const CHOSEN = 'excluded'
/** Why what ext4 makes itself in the root of a disk stays out. */
export const OF_DISK = 'part of the file system'

/** Says whether the user, or Berth's own order, wants it left out, so that nobody needs to be told. */
export function isIntended({ reason }: LeftOut): boolean {
  return [STATE, CHOSEN, OF_DISK].includes(reason)
}

/** An input that holds a pattern of what stays out of an archive. */
export const excludeInput = textInput(translate)

/**
 * Says for each path of the tree at `directory` why it stays out of the archive. Berth's own state always does. Throws
 * `archive/bad-pattern`.
 */
export function createExclusion(
  patterns: readonly string[] = [],
  directory = '',
): (path: TreePath) => string | undefined {
  const below = matcher(CREDENTIAL_FILES)
  // In a tree `.cache/huggingface` the file is just `token`. Whoever names `.ssh` itself wants what is in it.
  const files = matcher(CREDENTIAL_FILES.filter((pattern) => !pattern.endsWith('/**')))
  const place = directory.split('/').slice(-2).join('/')
  const credentials = (path: TreePath) => below(path) || files(`${place}/${path}`)
  const chosen = matcher(patterns)
  return (path) => {
    if (path === '.berth' || path.endsWith('/.berth')) return STATE
    if (chosen(path)) return CHOSEN
    return credentials(path) ? 'credentials of a tool' : undefined
  }
}

function matcher(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false
  const expression = new RegExp(
    patterns.map((pattern) => `(?:^|/)(?:${translate(pattern)})$`).join('|'),
  )
  return (path) => expression.test(path)
}

function translate(pattern: string): string {
  if (pattern === '' || pattern.startsWith('/') || pattern.split('/').includes('..')) {
    throw new BerthError(
      'archive/bad-pattern',
      `could not use the pattern \`${pattern}\`: it must be relative to the tree`,
      {
        hint: 'write it without a leading slash and without `..`, such as `*.tmp` or `logs/**`',
      },
    )
  }
  return pattern
    .split('/')
    .map((part) =>
      part === '**'
        ? '.*'
        : part
            .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
            .replaceAll('*', '[^/]*')
            .replaceAll('?', '[^/]'),
    )
    .join('/')
}
