import { definePlugin, defineStep, skipped, unchanged, z } from '@berth/core'
import { inspectDirectory, probeDirectory } from '@berth/filesystem'
import { detectPlatform, type PlatformName } from '@berth/platform'
import { findVolume, type FoundVolume } from './find-volume.ts'

/** Where a platform mounts a volume by itself. */
const usualPlaces: Partial<Record<PlatformName, string[]>> = {
  // Serverless workers: https://docs.runpod.io/serverless/storage/network-volumes
  runpod: ['/runpod-volume'],
}

const inputs = z.strictObject({
  candidates: z
    .array(z.string())
    .optional()
    .describe(
      'Directories to try, in this order; empty ones are passed over. Without it, the places where the platform mounts a volume by itself.',
    ),
})

const outputs = z.object({
  present: z.boolean().describe('Whether a usable volume was found.'),
  path: z.string().describe('Its absolute path; empty when there is none.'),
  freeBytes: z.number().describe('What is free on it.'),
  type: z.string().describe('Its file system, such as `nfs4`; empty when unknown.'),
})

/** Finds the volume; makes nothing, so that it never counts as a change. */
export const networkVolume = definePlugin({
  name: 'network-volume',
  description: 'Finds the persistent volume that pods share.',
  steps: {
    detect: defineStep({
      description:
        'Finds the first candidate that can really be written, renamed and linked in; without one the boot goes on.',
      inputs,
      outputs,
      plan: async ({ inputs: { candidates }, env, workingDirectory, signal }) => {
        const volume = await findVolume({
          candidates: candidates ?? (await listUsualPlaces(env)),
          workingDirectory,
          examine: (path) => inspectDirectory(path, { signal }),
        })
        const facts = factsOf(volume)
        return volume.path === ''
          ? { action: 'skipped', summary: summaryOfNone(volume), facts }
          : {
              action: 'unchanged',
              summary: `would use ${volume.path}; whether it can be written is tried when it runs`,
              facts,
            }
      },
      run: async ({ inputs: { candidates }, env, workingDirectory, signal, log }) => {
        const volume = await findVolume({
          candidates: candidates ?? (await listUsualPlaces(env)),
          workingDirectory,
          examine: (path) => probeDirectory(path, { signal }),
        })
        for (const { path, reason } of volume.refused) log.warn(`${path} is not used: ${reason}`)
        if (volume.path === '') return skipped(summaryOfNone(volume), factsOf(volume))
        if (volume.note !== '') log.warn(volume.note)
        return unchanged(`${volume.path} is usable`, factsOf(volume))
      },
    }),
  },
})

async function listUsualPlaces(env: Readonly<Record<string, string>>): Promise<string[]> {
  return usualPlaces[(await detectPlatform({ env })).name] ?? []
}

function factsOf({ path, freeBytes, type, refused }: FoundVolume) {
  return { present: path !== '', path, freeBytes, type, refused }
}

function summaryOfNone({ refused }: FoundVolume): string {
  if (refused.length === 0) return 'no volume is configured'
  return refused.map(({ path, reason }) => `${path} is not used: ${reason}`).join('; ')
}
