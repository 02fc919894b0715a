import { createHash } from 'node:crypto'
import { compareKeys } from '../key.ts'

export interface StoredObject {
  body: Buffer
  etag: string
  modified: Date
  headers: Record<string, string>
}

/** One answer of the stub, before any fault. */
export interface StubAnswer {
  status: number
  headers?: Record<string, string>
  body?: Buffer
}

const customerKeyHeader = 'x-amz-server-side-encryption-customer-key'
const checksumHeader = 'x-amz-checksum-sha256'
const customerAlgorithmHeader = 'x-amz-server-side-encryption-customer-algorithm'

/** What a stub can be told to do differently from Amazon. */
export interface StubBehaviour {
  /** `refused`: 501, as some gateways say. `ignored`: the object is overwritten, as others do. */
  conditionalWrites?: 'honoured' | 'refused' | 'ignored'
  /** Of a SHA-256 that comes with an object. `ignored`: not answered. `refused`: 400, as by services that don't know the header. */
  checksums?: 'honoured' | 'ignored' | 'refused'
  deleteObjects?: 'honoured' | 'refused' | 'names-missing'
  /** Answers 403 for what does not exist, as to a key that may not list. */
  hidesMissing?: boolean
  /** Refuses to list. */
  refusesListing?: boolean
  /** Continuation tokens lead back to the same page. */
  repeatsTokens?: boolean
  /** Takes objects with a customer key (SSE-C), and says nothing about it. */
  ignoresCustomerKeys?: boolean
  /** Ignores `Range`. */
  ignoresRanges?: boolean
  /** Objects of a listing page; 1000 unless told. */
  pageSize?: number
}

/** The objects of one bucket, and the S3 operations on them. */
export class StubBucket {
  readonly objects = new Map<string, StoredObject>()
  private readonly name: string
  private readonly behaviour: StubBehaviour

  constructor(name: string, behaviour: StubBehaviour) {
    this.name = name
    this.behaviour = behaviour
  }

  read(key: string, headers: Record<string, string | undefined>): StubAnswer {
    const object = this.objects.get(key)
    if (!object) return this.missing('NoSuchKey')
    // Nothing is encrypted here, but nobody reads it without the key.
    if (object.headers[customerKeyHeader] !== headers[customerKeyHeader]) {
      return errorAnswer(400, 'InvalidRequest')
    }
    const { body, etag, modified } = object
    const answer = {
      etag: `"${etag}"`,
      'last-modified': modified.toUTCString(),
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
    }
    if (headers['if-match'] !== undefined && headers['if-match'] !== `"${etag}"`) {
      return errorAnswer(412, 'PreconditionFailed')
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')
    if (!range || this.behaviour.ignoresRanges) return { status: 200, headers: answer, body }
    const start = Number(range[1])
    const end = Math.min(Number(range[2]) + 1, body.length)
    if (start >= body.length) return errorAnswer(416, 'InvalidRange')
    return {
      status: 206,
      headers: { ...answer, 'content-range': `bytes ${start}-${end - 1}/${body.length}` },
      body: body.subarray(start, end),
    }
  }

  write(key: string, body: Buffer, headers: Record<string, string | undefined>): StubAnswer {
    if (headers['if-none-match'] === '*') {
      const { conditionalWrites = 'honoured' } = this.behaviour
      if (conditionalWrites === 'refused') return errorAnswer(501, 'NotImplemented')
      if (conditionalWrites === 'honoured' && this.objects.has(key)) {
        return errorAnswer(412, 'PreconditionFailed')
      }
    }
    const { checksums = 'honoured' } = this.behaviour
    const said = headers[checksumHeader]
    const isTold = said !== undefined && checksums === 'honoured'
    if (said !== undefined && checksums === 'refused') return errorAnswer(400, 'InvalidRequest')
    if (isTold && createHash('sha256').update(body).digest('base64') !== said) {
      return errorAnswer(400, 'BadDigest')
    }
    const etag = createHash('md5').update(body).digest('hex')
    const kept = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-'))
    this.objects.set(key, {
      body: Buffer.from(body),
      etag,
      // S3 tells whole seconds.
      modified: new Date(Math.floor(Date.now() / 1000) * 1000),
      headers: Object.fromEntries(kept.map(([name, value]) => [name, value ?? ''])),
    })
    const algorithm = this.behaviour.ignoresCustomerKeys
      ? undefined
      : headers[customerAlgorithmHeader]
    return {
      status: 200,
      headers: {
        etag: `"${etag}"`,
        ...(isTold && { [checksumHeader]: said }),
        ...(algorithm && { [customerAlgorithmHeader]: algorithm }),
      },
    }
  }

  remove(key: string): StubAnswer {
    this.objects.delete(key)
    return { status: 204 }
  }

  removeMany(body: Buffer): StubAnswer {
    if (this.behaviour.deleteObjects === 'refused') return errorAnswer(501, 'NotImplemented')
    const keys = [...body.toString().matchAll(/<Key>(.*?)<\/Key>/gs)].map(([, key]) =>
      unescapeXml(key ?? ''),
    )
    const deleted = keys.map((key) =>
      this.objects.delete(key) || this.behaviour.deleteObjects !== 'names-missing'
        ? `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`
        : `<Error><Key>${escapeXml(key)}</Key><Code>NoSuchKey</Code></Error>`,
    )
    return xmlAnswer(200, `<DeleteResult>${deleted.join('')}</DeleteResult>`)
  }

  list(query: URLSearchParams): StubAnswer {
    if (this.behaviour.refusesListing) return errorAnswer(403, 'AccessDenied')
    const prefix = query.get('prefix') ?? ''
    const size = Math.min(Number(query.get('max-keys') ?? 1000), this.behaviour.pageSize ?? 1000)
    const token = query.get('continuation-token')
    const after = token === null ? (query.get('start-after') ?? '') : decodeToken(token)
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && compareKeys(key, after) > 0)
      .toSorted(compareKeys)
    const page = keys.slice(0, size)
    const isTruncated = keys.length > page.length
    const last = this.behaviour.repeatsTokens ? after : (page.at(-1) ?? after)
    return xmlAnswer(
      200,
      [
        '<ListBucketResult>',
        `<Name>${this.name}</Name><Prefix>${escapeXml(prefix)}</Prefix>`,
        `<KeyCount>${page.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`,
        isTruncated ? `<NextContinuationToken>${encodeToken(last)}</NextContinuationToken>` : '',
        ...page.map((key) => this.entry(key)),
        '</ListBucketResult>',
      ].join(''),
    )
  }

  private entry(key: string): string {
    const object = this.objects.get(key)
    if (!object) return ''
    const { body, etag, modified } = object
    return `<Contents><Key>${escapeXml(key)}</Key><Size>${body.length}</Size><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag></Contents>`
  }

  private missing(code: string): StubAnswer {
    return this.behaviour.hidesMissing ? errorAnswer(403, 'AccessDenied') : errorAnswer(404, code)
  }
}

/** An S3 error document; with an empty code, a page that is none. */
export function errorAnswer(status: number, code: string): StubAnswer {
  if (code === '') return { status, body: Buffer.from('<html>not here</html>') }
  return xmlAnswer(status, `<Error><Code>${code}</Code><Message>stub: ${code}</Message></Error>`)
}

function xmlAnswer(status: number, text: string): StubAnswer {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`),
  }
}

function encodeToken(key: string): string {
  return Buffer.from(`after:${key}`).toString('base64url')
}

function decodeToken(token: string): string {
  return Buffer.from(token, 'base64url').toString().slice('after:'.length)
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
  return text.replaceAll(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)
}
