import type { Readable } from 'node:stream'
import { S3Failure } from './s3-failure.ts'
import type { S3Body } from './s3-requests.ts'
import type { ByteRange } from './store.ts'

/** A body that the SDK has opened. */
export function streamBody(stream: Readable): Pick<S3Body, 'read' | 'discard'> {
  return {
    discard: () => void stream.destroy(),
    read: (sink, signal) =>
      new Promise((resolve, reject) => {
        const stop = (): void => void stream.destroy(signal?.reason)
        const settle = (error?: unknown): void => {
          signal?.removeEventListener('abort', stop)
          if (error === undefined) resolve()
          else reject(error)
        }
        signal?.addEventListener('abort', stop, { once: true })
        stream.on('data', (bytes: Buffer) => {
          try {
            const taken = sink(bytes)
            if (taken === undefined) return
            stream.pause()
            taken.then(
              () => stream.resume(),
              (error: Error) => stream.destroy(error),
            )
          } catch (error) {
            stream.destroy(error as Error)
          }
        })
        stream.once('end', () => settle())
        stream.once('error', settle)
        stream.once('close', () => settle())
      }),
  }
}

/** What the headers say of a body; throws S3Failure `retry` for an answer that is no object, or another range than was asked for. */
export function describeBody(
  answer: {
    ContentLength?: number | undefined
    ContentRange?: string | undefined
    ETag?: string | undefined
    LastModified?: Date | undefined
  },
  range: ByteRange | undefined,
): Pick<S3Body, 'length' | 'start' | 'etag'> {
  requireObject(answer)
  const etag = unquote(answer.ETag)
  const length = answer.ContentLength
  if (length === undefined)
    throw new S3Failure('retry', 'the server sent a body without its length')
  if (range === undefined || answer.ContentRange === undefined) return { length, start: 0, etag }

  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange)
  const [start, total] = [Number(found?.[1]), Number(found?.[2])]
  if (start !== range.start || length !== Math.min(range.end, total) - start) {
    throw new S3Failure('retry', `the server sent another range: ${answer.ContentRange}`)
  }
  return { length, start, etag }
}

/** Some servers say 200 to a request that failed; their error page has neither of what every object has. */
export function requireObject(answer: {
  ETag?: string | undefined
  LastModified?: Date | undefined
}): void {
  if (answer.ETag === undefined && answer.LastModified === undefined) {
    throw new S3Failure('retry', 'the server sent something that is no object')
  }
}

/** An ETag without its quotes. */
export function unquote(etag: string | undefined): string | undefined {
  return etag?.replaceAll(/^"|"$/g, '')
}
