import type { LinkRecord } from './registry.ts'

/** The link that a file below a mount belongs to, and the file's name in it; of links in each other the innermost. */
export function linkOf<Link extends Pick<LinkRecord, 'subfolder'>>(
  name: string,
  links: readonly Link[],
): { link: Link; rest: string } | undefined {
  const [link] = links
    .filter(({ subfolder }) => subfolder === '' || name.startsWith(`${subfolder}/`))
    .toSorted((one, other) => other.subfolder.length - one.subfolder.length)
  if (link === undefined) return undefined
  return { link, rest: link.subfolder === '' ? name : name.slice(link.subfolder.length + 1) }
}
