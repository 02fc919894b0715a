import type { MountSpec } from '../driver/driver.ts'
import type { StatusReason } from './link-status.ts'
import type { CloseAudit } from './close-audit.ts'
import type { MountState } from './mount-state.ts'

const spooled = 'new files are kept on the disk, and sent when it works again'

/** Why a mount is not green, and what to do next; null where there is nothing to say. */
export function explainState(
  state: MountState,
  { bucket }: Pick<MountSpec, 'bucket'>,
  refusal: string | undefined,
): StatusReason | null {
  const found = reasons[state]
  if (found === undefined) return null
  const [message, hint] = found
  const why = refusal === undefined ? '' : `: ${refusal}`
  return {
    code: `s3-link/${state}`,
    message: `the mount of \`${bucket}\` ${message}${why}`,
    hint,
  }
}

const reasons: Partial<Record<MountState, [message: string, hint: string]>> = {
  degraded: ['answers slowly, or the service does not answer', 'wait; nothing is lost'],
  draining: ['works; files from the disk are being sent', 'wait until they are'],
  spooling: [`waits for the service; ${spooled}`, 'see whether the service is up'],
  hung: [
    `hangs; ${spooled}`,
    'wait, or unmount and link again; programs that have files open in it hang too',
  ],
  broken: [
    `lost its daemon and is started again; ${spooled}`,
    'start programs again that had files open in it',
  ],
  'crash-loop': [
    `loses its daemon again and again; ${spooled}`,
    'see the log, or use another driver',
  ],
  refused: [`is refused by the service; ${spooled}`, 'set keys that are valid, and link again'],
  'identity-mismatch': [
    'is of another bucket than before, or of one that was emptied; new files are kept on the disk',
    'unlink, see which bucket that is, and link again',
  ],
  'no-room': [
    'has no room on the disk for what is not sent; new files go to the disk of the folder',
    'free some space',
  ],
  unmounting: ['is being unmounted', 'wait'],
  'drain-timeout': [
    'could not be unmounted in time: not everything is in S3',
    'wait and unmount again; it stays mounted, and goes on sending',
  ],
}

const mostNames = 5

/** What was saved from a daemon or from below a mount, which its programs took for written elsewhere; by path, and whether it is whole. */
export function explainRescue(rescued: ReadonlyMap<string, boolean>): StatusReason[] {
  if (rescued.size === 0) return []
  const parts = [...rescued.values()].filter((isWhole) => !isWhole).length
  const names = [...rescued.keys()].slice(0, mostNames).map((path) => `\`${path}\``)
  const more = rescued.size > mostNames ? ', …' : ''
  return [
    {
      code: 's3-link/rescued',
      message: `${rescued.size} files were saved from a mount, ${parts} of them perhaps only in part: ${names.join(', ')}${more}`,
      hint: 'they are sent like all others, under those names; see whether they are whole',
    },
  ]
}

/** What was closed, and is not in the bucket; or that nothing can be said of it. */
export function explainMissing(audit: CloseAudit | undefined): StatusReason[] {
  if (audit === undefined) return []
  const { missing, isPartial } = audit
  const names = [...missing].slice(0, mostNames).map((name) => `\`${name}\``)
  const more = missing.size > mostNames ? ', …' : ''
  return [
    ...(missing.size === 0
      ? []
      : [
          {
            code: 's3-link/not-arrived',
            message: `of what was closed ${missing.size} ${missing.size === 1 ? 'file is' : 'files are'} not in the bucket: ${names.join(', ')}${more}`,
            hint: 'write them again where the program that closed them took no notice of the error that it got; or they were removed from the bucket since',
          },
        ]),
    ...(isPartial
      ? [
          {
            code: 's3-link/not-audited',
            message: 'not every file that is closed is looked up in the bucket',
            hint: 'install python3, or raise fs.inotify.max_user_watches; programs hear from close() what is not sent',
          },
        ]
      : []),
  ]
}
