import { BerthError } from '@berth/core/error'
import { textInput } from '@berth/core'
import type { TreePath } from './tree.ts'

/**
 * Where well-known tools keep credentials; such a file would otherwise end up in a store that many can read. A pattern matches a
 * path in any directory of the tree: `*` stands for a name or part of one, `**` for any number of directories.
 */
const CREDENTIAL_FILES = [
  '.netrc',
  '.git-credentials',
  '.pypirc',
  '.npmrc',
  '.ssh/**',
  '.aws/**',
  'aws/sso/**',
  'aws/cli/**',
  '.docker/config.json',
  '.config/gcloud/**',
  '.config/gh/hosts.yml',
  '.config/rclone/rclone.conf',
  'rclone/rclone.conf',
  '.kaggle/kaggle.json',
  'huggingface/token',
  'huggingface/stored_tokens',
  '.s3fs_passwd',
  '.passwd-s3fs',
  'civitai_api_key*',
] as const

/** An input that holds a pattern of what stays out of an archive. */
export const excludeInput = textInput(translate)

/** Says for each path why it stays out of the archive. Berth's own state always does. Throws `archive/bad-pattern`. */
export function createExclusion(
  patterns: readonly string[] = [],
): (path: TreePath) => string | undefined {
  const credentials = matcher(CREDENTIAL_FILES)
  const chosen = matcher(patterns)
  return (path) => {
    if (path === '.berth' || path.endsWith('/.berth')) return 'state of berth'
    if (chosen(path)) return 'excluded'
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
