import { type BerthError, done, isBerthError, type StepContext, unchanged } from '@berth/core'
import { findOriginals } from '../migrate/cut-over.ts'
import { type LeftBehind, namesIn, readLeftBehind } from '../mount/left-behind.ts'
import { removeFolderLink } from '../mount/link-folder.ts'
import { openRegistry, spoolOf } from '../mount/registry.ts'
import { countSpools } from '../mount/spool.ts'
import { amountText } from './amounts.ts'
import {
  deadlineOf,
  find,
  leaveOrThrow,
  stopOrThrow,
  type UnmountContext,
  type UnmountInputs,
} from './unmount.ts'

/** What taking a link away needs of a step's context. */
export type UnlinkContext = UnmountContext & Pick<StepContext<UnmountInputs>, 'log'>

export interface EndedLink {
  result: 'done' | 'unchanged'
  path: string
  /** Where its files are: `bucket/prefix/folder`. */
  bucketPaths: string[]
  /** What was in its place before it was linked. */
  originals: string[]
}

/** Makes the folder a folder again, and ends its mount when no other link needs it. */
export async function unlinkFolder(context: UnlinkContext) {
  const { result, path } = await endLink(context)
  return result === 'done' ? done({ path }) : unchanged('it is not linked', { path })
}

/** The same, and says where the files are; warns of what may be on this disk alone. */
export async function endLink(context: UnlinkContext): Promise<EndedLink> {
  const { log } = context
  const { path, keys, places } = await find(context)
  const left = await readLeftBehind(path, places)
  if (keys.length === 0) tellLeft(path, left, log)
  if (left.isUnwatched) {
    log.warn(
      `\`${path}\` was not watched any more: what was written since is on this disk only; link again to send it`,
    )
  }
  const bucketPaths: string[] = []
  let notArrived: BerthError | undefined
  for (const key of keys) {
    const registry = openRegistry(places, key)
    const known = { mount: await registry.readMount(), status: await registry.readStatus() }
    const links = await registry.readLinks()
    const store = known.mount?.store ?? known.status?.store
    const subfolder = links.find((link) => link.path === path)?.subfolder ?? ''
    if (store !== undefined) bucketPaths.push(bucketPathOf(store, subfolder))
    const isShared = links.some((link) => link.path !== path)
    const deadline = deadlineOf(context)
    const end = isShared
      ? leaveOrThrow(places, key, { path, deadline })
      : stopOrThrow(places, key, deadline)
    await end.catch((error: unknown) => {
      // Nobody has these files any more: what is to be taken away is taken away, and then they are told.
      if (!isBerthError(error, 's3-link/not-arrived')) throw error
      notArrived = error
    })
    const isOurs = await removeFolderLink(path, registry)
    // What is in a folder that was watched until now has been sent, and stays there.
    if (known.mount?.driver !== 'watch') await tellUnsent(path, isOurs, log)
    // Another was taken away meanwhile, each for the sake of the other.
    const isLast = isShared && (await registry.readLinks()).length === 0
    if (isLast) await stopOrThrow(places, key, deadline)
  }
  if (notArrived !== undefined) throw notArrived
  const result = keys.length === 0 ? 'unchanged' : 'done'
  return { result, path, bucketPaths, originals: await findOriginals(path) }
}

function bucketPathOf(store: string, subfolder: string): string {
  const [place = ''] = store.replace(/^s3:\/\//, '').split('?')
  return [place.replace(/\/+$/, ''), subfolder].filter(Boolean).join('/')
}

/** Nothing was taken away: what waits there is still in nobody's hands. */
function tellLeft(path: string, left: LeftBehind, log: UnlinkContext['log']): void {
  const { waiting, isLink } = left
  if (isLink) {
    log.warn(`\`${path}\` is still a link, of a mount that is gone: link it again, then unlink it`)
  }
  if (waiting.files === 0) return
  const spool = spoolOf(path)
  const them = waiting.files === 1 ? 'it' : 'them'
  log.warn(
    `${amountText(waiting)}, may be on this disk only, in \`${spool}\`: ${namesIn(spool, waiting)}; link again to send ${them}`,
  )
}

/** The spool has become the folder: what came there since the last sending, or was in use then. */
async function tellUnsent(path: string, isOurs: boolean, log: UnlinkContext['log']): Promise<void> {
  const spool = spoolOf(path)
  for (const folder of isOurs ? [path, spool] : [spool]) {
    const waiting = await countSpools([{ spool: folder }])
    if (waiting.files === 0) continue
    const them = waiting.files === 1 ? 'it' : 'them'
    log.warn(
      `${amountText(waiting)}, may be on this disk only: ${namesIn(folder, waiting)}; link again to send ${them}`,
    )
  }
}
