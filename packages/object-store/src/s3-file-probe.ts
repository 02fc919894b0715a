import { createHash, randomUUID } from 'node:crypto'
import { reservedComponent } from './key.ts'
import { readFailure, S3Failure } from './s3-failure.ts'
import type { S3FileRequests } from './s3-file-requests.ts'
import type { S3Session } from './s3-session.ts'
import type { RequestOptions } from './store.ts'

/** Finds out by writing twice whether `If-None-Match: *` is honoured; leaves nothing behind. */
export async function probeConditions(
  session: S3Session,
  requests: S3FileRequests,
  options: RequestOptions,
): Promise<boolean> {
  const key = session.fullKey(`${reservedComponent}/probe-${randomUUID()}`)
  const write = (text: string): Promise<'written' | 'refused' | 'unsupported'> => {
    const sha256 = createHash('sha256').update(text).digest('hex')
    const facts = { condition: { absent: true } as const, metadata: {}, sha256 }
    const body = Buffer.from(text)
    return session
      .attempt(options, (signal) => requests.put(key, body, { ...facts, signal }))
      .then(
        () => 'written' as const,
        (error: unknown) => {
          const kind = readFailure(error)?.kind
          if (kind === 'precondition') return 'refused'
          if (kind === 'unsupported') return 'unsupported'
          throw error
        },
      )
  }
  try {
    const first = await write('berth')
    // Refused: the answer to an earlier try of it was lost, and it had been written.
    if (first !== 'written') return first === 'refused'
    return (await write('probe')) === 'refused'
  } finally {
    await session
      .attempt(options, (signal) => requests.remove(key, signal))
      .catch((error: unknown) => {
        // The reserved name hides a probe that could not be removed.
        if (!(error instanceof S3Failure)) throw error
      })
  }
}
