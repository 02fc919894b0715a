import type { Path } from './recipe-node.ts'

/** What was probably meant by a text or a number where `health` or `main.ready` must be a map; `written` as it stands in the recipe. */
export function mapHint(path: Path, written: string): string | undefined {
  const key = keyFor(path.join('.'), written)
  return key === undefined ? undefined : `did you mean \`{ ${key}: ${written} }\`?`
}

function keyFor(path: string, written: string): string | undefined {
  if (path === 'health') return 'listen'
  if (path !== 'main.ready') return undefined
  if (/^['"]?https?:/.test(written)) return 'http'
  return /^['"]?\.{0,2}\//.test(written) ? 'file' : 'tcp'
}
