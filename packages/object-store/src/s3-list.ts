import { BerthError } from '@berth/core/error'
import { compareKeys, isReserved } from './key.ts'
import type { Doing } from './s3-error.ts'
import type { S3PageRequest } from './s3-requests.ts'
import type { S3Session } from './s3-session.ts'
import type { ObjectInfo, RequestOptions } from './store.ts'

/** Every object under a prefix in key order, a page in memory at a time. */
export async function* listObjects(
  session: S3Session,
  prefix: string,
  options: RequestOptions & { after?: string },
): AsyncIterable<ObjectInfo> {
  const root = session.fullKey('')
  const doing: Doing = prefix === '' ? { verb: 'list' } : { verb: 'list', key: prefix }
  let last = options.after === undefined ? undefined : root + options.after
  let request: S3PageRequest = { prefix: root + prefix, startAfter: last }
  for (;;) {
    const page = await session.run(doing, options, (signal) =>
      session.requests.listPage(request, signal),
    )
    session.bucketSeen = true
    const before = last
    for (const object of page.objects) {
      if (last !== undefined && compareKeys(object.key, last) <= 0) continue
      last = object.key
      const key = object.key.slice(root.length)
      // Markers of empty directories are no objects of ours.
      if (!key.endsWith('/') && key !== '' && !isReserved(key)) yield { ...object, key }
    }
    if (page.next === undefined) return
    request = followingPage(session, request, { token: page.next, last, stuck: before === last })
  }
}

/** RunPod repeats its continuation tokens beyond some ten thousand keys: the last key is then the way on. */
function followingPage(
  session: S3Session,
  request: S3PageRequest,
  { token, last, stuck }: { token: string; last: string | undefined; stuck: boolean },
): S3PageRequest {
  const { prefix } = request
  if (!stuck && token !== '' && token !== request.token) return { prefix, token }
  if (last !== undefined && request.startAfter !== last) return { prefix, startAfter: last }
  throw new BerthError(
    'object-store/bad-listing',
    `could not list \`${prefix}\` in the bucket \`${session.settings.bucket}\`: the server says that there is more, but does not send it`,
    { hint: 'try again later, or keep fewer objects in this bucket' },
  )
}
