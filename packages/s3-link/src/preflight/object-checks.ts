import { createHash, randomBytes } from 'node:crypto'
import { BerthError } from '@berth/core/error'
import type { FileStore } from '@berth/object-store'
import type { MountSpec } from '../driver/driver.ts'
import type { Finding, Question } from './check.ts'

export interface ObjectProbe {
  spec: MountSpec
  files: FileStore
  signal: AbortSignal
}

type Asked = ObjectProbe & { name: string; body: Buffer }
type Ask = (probe: Asked) => Promise<Finding>

const asks: [name: string, ask: Ask][] = [
  ['list', askList],
  ['write', askWrite],
  ['size', askSize],
  ['read', askRead],
  ['metadata', askMetadata],
  ['conditions', askConditions],
  ['parts', askParts],
  ['remove', askRemove],
]

const mark = { 'berth-check': 'kept' }

/**
 * What a key may do with the objects of a bucket, from a listing to removing what was written. A listing and no look at the bucket:
 * keys for one prefix may list that, and nothing else.
 */
export function objectChecks(): Question<ObjectProbe>[] {
  const body = randomBytes(1024)
  const canary = `.berth-canary-${randomBytes(8).toString('hex')}`
  return asks.map(([name, ask]) => ({
    name,
    ask: (probe) => ask({ ...probe, name: canary, body }),
    explain: (error) => {
      const why = error instanceof Error ? error.message : String(error)
      return new BerthError('s3-link/bucket-check', `could not use the bucket: ${name}: ${why}`, {
        hint: 'try again, or ask the provider',
        cause: error,
      })
    },
  }))
}

async function askList({ files, spec, signal }: ObjectProbe): Promise<string> {
  const where = spec.prefix === '' ? spec.bucket : `${spec.bucket}/${spec.prefix}`
  for await (const { key } of files.objects.list('', { signal })) {
    return `\`${where}\` can be listed; \`${key}\` is in it`
  }
  return `\`${where}\` is empty`
}

async function askWrite({ files, name, body, signal }: Asked): Promise<Finding> {
  const sha256 = createHash('sha256').update(body).digest('hex')
  await files.put(name, body, { condition: { absent: true }, metadata: mark, sha256, signal })
  return `${body.length} bytes`
}

async function askSize({ files, name, body, signal }: Asked): Promise<Finding> {
  const found = await files.head(name, { signal })
  if (found?.size === body.length) return `${found.size} bytes are there`
  throw new Error(
    found === undefined ? 'what was written is not there' : `it has ${found.size} bytes`,
  )
}

async function askRead({ files, name, body, signal }: Asked): Promise<Finding> {
  const found = await files.objects.get(name, { signal })
  if (found?.equals(body) === true) return 'the same bytes'
  throw new Error(found === undefined ? 'what was written is not there' : 'other bytes came back')
}

async function askMetadata({ files, name, signal }: Asked): Promise<Finding> {
  const found = await files.head(name, { signal })
  if (found?.metadata['berth-check'] === mark['berth-check']) return 'kept with the object'
  return {
    warning: 'not kept: what is sent is proven by its checksum, or by reading it back',
    hint: 'nothing to do; sending takes a little longer',
  }
}

async function askConditions({ files, signal }: Asked): Promise<Finding> {
  if (await files.objects.supportsConditionalWrites({ signal })) {
    return 'an object is never written over by accident'
  }
  return {
    warning:
      'unknown to the service: two programs that write one key at the same moment may both succeed',
    hint: 'let one pod write into a folder, or give each its own `user`',
  }
}

/** Only what is bigger than one part needs it. */
async function askParts({ files, name, signal }: Asked): Promise<Finding> {
  try {
    const uploadId = await files.createUpload(`${name}-parts`, { metadata: {}, signal })
    await files.abortUpload(`${name}-parts`, uploadId, { signal })
    return 'big files can be sent in parts'
  } catch (error) {
    signal.throwIfAborted()
    return {
      warning: `big files can’t be sent in parts: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'allow the key multipart uploads and aborting them',
    }
  }
}

async function askRemove({ files, name, signal }: Asked): Promise<Finding> {
  try {
    await files.objects.remove([name], { signal })
    return 'nothing is left'
  } catch (error) {
    signal.throwIfAborted()
    const why = error instanceof Error ? error.message : String(error)
    // Enough for a folder that only grows.
    return {
      warning: `not allowed, \`${name}\` stays in the bucket: ${why}`,
      hint: 'allow the key to remove objects, or remove files with another key; files can’t be renamed through a mount either',
    }
  }
}
