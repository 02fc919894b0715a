import { type FileStore, openFileStore } from '@berth/object-store'
import { missingS3Server, type S3Server, startS3Server } from '@berth/object-store/testing'
import { afterAll, beforeAll, beforeEach } from 'vitest'

export interface RealBucket {
  server: S3Server
  store: FileStore
}

/** Gives the tests of a `describe` a real server and its bucket, and ends both after them; without one they are skipped, with the reason. */
export function givenRealBucket(
  take: (bucket: RealBucket) => void,
  patience: { attempts?: number } = {},
): void {
  const missing = missingS3Server()
  let bucket: RealBucket | undefined
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  beforeAll(async () => {
    if (missing !== undefined) return
    const server = await startS3Server()
    bucket = { server, store: await openFileStore(server.url, { env: server.env, patience }) }
    take(bucket)
  })
  afterAll(async () => {
    await bucket?.store.close()
    await bucket?.server.close()
  })
}
