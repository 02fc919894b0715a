import { definePlugin, defineStep, z } from '@berth/core'
import { storeSecrets } from '@berth/object-store'
import {
  deadlineInput,
  driverInput,
  existingInput,
  folderInputs,
  optionsInput,
  removeOriginalsInput,
  storeInput,
} from './steps/inputs.ts'

const path = z.string().describe('Where apps find the folder.')
const endInputs = z.strictObject({ ...folderInputs, within: deadlineInput })

/** A folder that lies in S3: what is written there is in the bucket. */
export const s3Link = definePlugin({
  name: 's3-link',
  description:
    'Makes a folder lie in S3: mounted with s3fs or rclone, or watched where nothing can be mounted.',
  steps: {
    link: defineStep({
      description:
        'Makes a folder a link into a bucket, and keeps it working; taken back at the end, when all is sent.',
      inputs: z.strictObject({
        ...folderInputs,
        store: storeInput,
        driver: driverInput,
        existing: existingInput,
        removeOriginals: removeOriginalsInput,
        options: optionsInput,
      }),
      outputs: z.object({
        path,
        driver: z.string().describe('The driver that was chosen.'),
        bucket: z.string().describe('The bucket.'),
        mount: z.string().describe('Where the bucket is mounted.'),
      }),
      reads: storeSecrets,
      plan: async (context) => (await import('./steps/link.ts')).planLink(context),
      run: async (context) => (await import('./steps/link.ts')).linkFolder(context),
      undo: async (context) => (await import('./steps/unmount.ts')).undoLink(context),
    }),
    test: defineStep({
      description:
        'Checks step by step whether the bucket can be used, and whether this container may mount it.',
      inputs: z.strictObject({ ...folderInputs, store: storeInput }),
      outputs: z.object({
        mounts: z.boolean().describe('Whether a bucket can be mounted here.'),
        driver: z.string().describe('What `driver: auto` would take.'),
        bucket: z.string().describe('The bucket.'),
      }),
      reads: storeSecrets,
      plan: async (context) => (await import('./steps/test.ts')).planTest(context),
      run: async (context) => (await import('./steps/test.ts')).testLink(context),
    }),
    unlink: defineStep({
      description: 'Makes the folder one on this disk again; its files stay in the bucket.',
      inputs: endInputs,
      outputs: z.object({ path }),
      plan: async (context) => (await import('./steps/unmount.ts')).planUnmount(context),
      run: async (context) => (await import('./steps/unlink.ts')).unlinkFolder(context),
    }),
    unmount: defineStep({
      description:
        'Sends what is not in the bucket yet, and unmounts; until it is linked again, the folder leads to this disk.',
      inputs: endInputs,
      outputs: z.object({ path }),
      plan: async (context) => (await import('./steps/unmount.ts')).planUnmount(context),
      run: async (context) => (await import('./steps/unmount.ts')).unmountFolder(context),
    }),
    status: defineStep({
      description:
        'Says how every link is, and whether the pod may be stopped; of one folder also what waits beside it for the next link.',
      inputs: z.strictObject(folderInputs),
      outputs: z.object({
        colour: z
          .string()
          .describe('The worst of all: `green`, `yellow`, `red`; `none` without a link.'),
        safe: z.boolean().describe('Whether everything is known to be in S3.'),
        files: z.number().describe('How many files are not.'),
        bytes: z.number().describe('How much that is.'),
      }),
      plan: async () => (await import('./steps/status.ts')).planStatus(),
      run: async (context) => (await import('./steps/status.ts')).showStatus(context),
    }),
  },
})
