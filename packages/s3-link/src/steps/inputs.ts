import { BerthError, isBerthError, parseDuration, textInput, z } from '@berth/core'
import { storeUrlInput } from '@berth/object-store/inputs'
import { readOptions } from '../driver/link-options.ts'

/** Which folder is meant: every step takes the same. */
export const folderInputs = {
  workspace: z
    .string()
    .min(1)
    .default('/workspace')
    .describe('The directory that the folder is in.'),
  folder: z
    .string()
    .min(1)
    .default('output')
    .describe('The folder, relative to `workspace`; it has the same name in the bucket.'),
  user: z
    .string()
    .default('')
    .describe(
      'Makes it the folder of one user: `alice` gives `output/alice`, here and in the bucket.',
    ),
}

export const storeInput = storeUrlInput
  .default('')
  .describe('The bucket, `s3://bucket/prefix`; empty means BERTH_STORE, then RunPod’s bucket.')

export const driverInput = z
  .enum(['auto', 's3fs', 'rclone', 'watch'])
  .default('auto')
  .describe('How: mounted, or watched and uploaded; `auto` mounts where that is possible.')

export const existingInput = z
  .enum(['move', 'fail'])
  .default('move')
  .describe(
    'What to do with files that are in the folder: `move` sends them first and keeps the original beside it.',
  )

export const removeOriginalsInput = z
  .boolean()
  .default(false)
  .describe(
    'Removes of the originals of moved files what a fresh look proves to be in the bucket; the rest stays, and is listed.',
  )

export const optionsInput = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .default({})
  .superRefine((given, { addIssue }) => {
    try {
      readOptions(given)
    } catch (error) {
      if (!isBerthError(error)) throw error
      const { code, message, hint } = error
      addIssue({ code: 'custom', message, params: { code, hint } })
    }
  })
  .describe('Options of the mount or of watching, with units; see the tables of options below.')

export const deadlineInput = textInput(parseDuration)
  .default('2m')
  .describe('How long to wait until all is sent; never longer than the pipeline has.')

/** The store that was named, or the environment's. */
export function requireStore(store: string, fallback: string | undefined): string {
  const url = store === '' ? fallback : store
  if (url !== undefined) return url
  throw new BerthError('s3-link/no-store', 'could not link: no bucket was named', {
    hint: 'give `--store s3://bucket/prefix`, or `store: s3://bucket/prefix` in a recipe, or set BERTH_STORE or RUNPOD_S3_BUCKET',
  })
}
