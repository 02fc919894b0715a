import { join } from 'node:path'
import { BerthError, z } from '@berth/core'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'

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
