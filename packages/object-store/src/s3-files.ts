import type {
  FileLimits,
  FilePart,
  FileStore,
  FileWrite,
  FileWriteOptions,
  StoredFile,
  UnfinishedUpload,
  WriteCondition,
} from './file-store.ts'
import { checkKey, checkPrefix } from './key.ts'
import { storeUrl, type Doing } from './s3-error.ts'
import { readFailure, S3Failure, type FailureKind } from './s3-failure.ts'
import { probeConditions } from './s3-file-probe.ts'
import { S3FileRequests } from './s3-file-requests.ts'
import { S3MultipartRequests } from './s3-multipart-requests.ts'
import { S3Session } from './s3-session.ts'
import { openS3StoreOn, type S3StoreOptions } from './s3-store.ts'
import type { S3Settings } from './settings.ts'
import type { ObjectStore, RequestOptions } from './store.ts'

type Task<Result> = (signal: AbortSignal | undefined) => Promise<Result>

/** Opens a bucket for files; contacts nothing yet. */
export function openS3Files(settings: S3Settings, options: S3StoreOptions = {}): FileStore {
  return new S3Files(new S3Session(settings, options.signal, options.patience ?? {}))
}

class S3Files implements FileStore {
  readonly url: string
  readonly limits: FileLimits
  readonly objects: ObjectStore
  private readonly session: S3Session
  private readonly requests: S3FileRequests
  private readonly parts: S3MultipartRequests
  /** Whether the service honours conditions, where that has to be found out. */
  private conditions: Promise<boolean> | undefined

  constructor(session: S3Session) {
    const { provider, customerKey } = session.settings
    this.session = session
    this.requests = new S3FileRequests(session)
    this.parts = new S3MultipartRequests(session)
    this.objects = openS3StoreOn(session)
    this.url = storeUrl(session.settings)
    this.limits = {
      maxPutBytes: provider.maxPutBytes,
      maxParts: provider.maxParts,
      etagIsMd5: provider.etagIsMd5 && customerKey === undefined,
    }
  }

  async head(key: string, options: RequestOptions = {}): Promise<StoredFile | undefined> {
    checkKey(key)
    const fullKey = this.session.fullKey(key)
    try {
      const found = await this.session.attempt(options, (signal) =>
        this.requests.head(fullKey, signal),
      )
      return { key, ...found }
    } catch (error) {
      const kind = readFailure(error)?.kind
      if (kind === 'missing') return undefined
      // The answer to a HEAD has no body; a listing says what is wrong, or that it is only hidden from those who may not list.
      const isListed =
        kind === 'denied' || kind === 'refused' ? await this.isListed(key, options) : true
      if (!isListed) return undefined
      throw this.session.explain(error, { verb: 'stat', key })
    }
  }

  async put(
    key: string,
    body: Uint8Array,
    { condition, metadata, sha256, signal }: FileWriteOptions & { sha256: string },
  ): Promise<FileWrite> {
    checkKey(key)
    const fullKey = this.session.fullKey(key)
    const facts = { metadata, sha256 }
    return this.onCondition(
      key,
      { condition, signal },
      (sent) => (current) =>
        this.requests.put(fullKey, body, { ...facts, condition: sent, signal: current }),
    )
  }

  async createUpload(
    key: string,
    { metadata, signal }: RequestOptions & Pick<FileWriteOptions, 'metadata'>,
  ): Promise<string> {
    checkKey(key)
    const fullKey = this.session.fullKey(key)
    return this.session.run({ verb: 'write', key }, { signal }, (current) =>
      this.parts.create(fullKey, metadata, current),
    )
  }

  async putPart(
    { key, uploadId, number }: { key: string; uploadId: string; number: number },
    body: Uint8Array,
    options: RequestOptions = {},
  ): Promise<string | undefined> {
    const placed = { key: this.session.fullKey(key), uploadId, number }
    return this.unless('no-upload', { verb: 'write', key }, options, (signal) =>
      this.parts.putPart(placed, body, signal),
    )
  }

  async listParts(
    key: string,
    uploadId: string,
    options: RequestOptions = {},
  ): Promise<FilePart[] | undefined> {
    const placed = { key: this.session.fullKey(key), uploadId }
    return this.unless('no-upload', { verb: 'list', key }, options, (signal) =>
      this.parts.listParts(placed, signal),
    )
  }

  async completeUpload(
    { key, uploadId, parts }: { key: string; uploadId: string; parts: readonly FilePart[] },
    { condition, signal }: RequestOptions & Pick<FileWriteOptions, 'condition'>,
  ): Promise<FileWrite | 'gone'> {
    const placed = { key: this.session.fullKey(key), uploadId, parts }
    const sorted = { ...placed, parts: parts.toSorted((a, b) => a.number - b.number) }
    return this.onCondition(key, { condition, signal }, (sent) => async (current) => {
      try {
        return { etag: await this.parts.complete(sorted, sent, current) }
      } catch (error) {
        if (readFailure(error)?.kind === 'no-upload') return 'gone'
        throw error
      }
    })
  }

  async abortUpload(key: string, uploadId: string, options: RequestOptions = {}): Promise<void> {
    const placed = { key: this.session.fullKey(key), uploadId }
    await this.unless('no-upload', { verb: 'remove', key }, options, (signal) =>
      this.parts.abort(placed, signal),
    )
  }

  async listUploads(prefix: string, options: RequestOptions = {}): Promise<UnfinishedUpload[]> {
    checkPrefix(prefix)
    const root = this.session.fullKey('')
    const found = await this.session.run({ verb: 'list', key: prefix }, options, (signal) =>
      this.parts.listUploads(root + prefix, signal),
    )
    return found.map((upload) => ({ ...upload, key: upload.key.slice(root.length) }))
  }

  async close(): Promise<void> {
    this.requests.close()
    await this.objects.close()
  }

  private async knowsConditions(options: RequestOptions): Promise<boolean> {
    const { conditionalPut } = this.session.settings.provider
    if (conditionalPut !== 'probe') return conditionalPut === 'yes'
    this.conditions ??= probeConditions(this.session, this.requests, options)
    try {
      return await this.conditions
    } catch (error) {
      this.conditions = undefined
      throw this.session.explain(error, { verb: 'probe' })
    }
  }

  /** Writes on a condition: the service's own, or a look just before the write where it has none. */
  private async onCondition<Result>(
    key: string,
    { condition, signal }: RequestOptions & { condition: WriteCondition },
    write: (sent: WriteCondition | undefined) => Task<Result>,
  ): Promise<Result | 'changed'> {
    const doing: Doing = { verb: 'write', key }
    const hasConditions = await this.knowsConditions({ signal })
    // Of services that know `If-None-Match`, not all know `If-Match`, and some take no notice of it.
    const looksFirst = !hasConditions || !('absent' in condition)
    if (looksFirst && !(await this.isMet(key, condition, signal))) return 'changed'
    try {
      return await this.session.attempt(
        { signal },
        this.knowingLoss(key, condition, write(hasConditions ? condition : undefined)),
      )
    } catch (error) {
      const kind = readFailure(error)?.kind
      if (kind === 'precondition' || kind === 'missing') return 'changed'
      if (kind !== 'unsupported' || !hasConditions) throw this.session.explain(error, doing)
      if (!(await this.isMet(key, condition, signal))) return 'changed'
      return await this.session.run(doing, { signal }, write(undefined))
    }
  }

  /**
   * A server that refuses may close the connection before it has read the body, and then the refusal is lost too: after a lost answer what is
   * there is looked at before the body goes out again.
   */
  private knowingLoss<Result>(
    key: string,
    condition: WriteCondition,
    write: Task<Result>,
  ): Task<Result> {
    let isLost = false
    return async (signal) => {
      if (isLost && 'absent' in condition && (await this.isThere(key, signal)))
        throw new S3Failure('precondition', 'the object exists')
      try {
        return await write(signal)
      } catch (error) {
        isLost ||= readFailure(error)?.kind === 'retry'
        throw error
      }
    }
  }

  private async isThere(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.requests.head(this.session.fullKey(key), signal)
      return true
    } catch (error) {
      if (readFailure(error)?.kind === 'missing') return false
      throw error
    }
  }

  private async isListed(key: string, options: RequestOptions): Promise<boolean> {
    for await (const found of this.objects.list(key, options)) return found.key === key
    return false
  }

  private async isMet(
    key: string,
    condition: WriteCondition,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const found = await this.head(key, { signal })
    return 'absent' in condition ? found === undefined : found?.etag === condition.etag
  }

  /** `undefined` for one kind of failure that is an answer. */
  private async unless<Result>(
    kind: FailureKind,
    doing: Doing,
    options: RequestOptions,
    task: Task<Result>,
  ): Promise<Result | undefined> {
    try {
      const result = await this.session.attempt(options, task)
      this.session.bucketSeen = true
      return result
    } catch (error) {
      if (readFailure(error)?.kind === kind) return undefined
      throw this.session.explain(error, doing)
    }
  }
}
