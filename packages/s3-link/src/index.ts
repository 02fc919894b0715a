import { definePlugin } from '@berth/core'

/** A folder that lies in S3: what is written there is in the bucket. */
export const s3Link = definePlugin({
  name: 's3-link',
  description:
    'Makes a folder lie in S3: mounted with s3fs or rclone, or watched where nothing can be mounted.',
  steps: {},
})
