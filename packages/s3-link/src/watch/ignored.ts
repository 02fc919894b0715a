import { isTemporaryName } from '@berth/filesystem'

/** What programs call a file that is not finished: they give it its name when it is. */
export const unfinishedNames: readonly string[] = [
  '*.tmp',
  '*.part',
  '*.partial',
  '*.crdownload',
  '*.swp',
  '.~*',
]

/** What is nobody's: removed but still open, about to be removed, and our own mark. */
export const ROOT_MARK = '.berth-root'
export const ownNames: readonly string[] = ['.fuse_hidden*', '.nfs*', '.*.berth-evict', ROOT_MARK]

/** Says of a name (bytes as text, a path) whether it is left where it is; by its last part alone. */
export function ignoring(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(asExpression)
  return (name) => {
    const last = name.slice(name.lastIndexOf('/') + 1)
    return isTemporaryName(last) || expressions.some((expression) => expression.test(last))
  }
}

function asExpression(pattern: string): RegExp {
  // Names are bytes as text, so the pattern is too.
  const text = Buffer.from(pattern).toString('latin1')
  const escaped = text.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(`^${escaped.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`)
}
