import { BerthError } from '@berth/core/error'
import { checkKey, checkPrefix } from './key.ts'
import type { Patience } from './patience.ts'
import { S3Reading } from './s3-body.ts'
import { matchesEtag, probeConditionalPut, putIfAbsent } from './s3-conditional.ts'
import { storeUrl, type Doing } from './s3-error.ts'
import { S3Failure } from './s3-failure.ts'
import { listObjects } from './s3-list.ts'
import { removeKeys } from './s3-remove.ts'
import { S3Session } from './s3-session.ts'
import { S3Stream } from './s3-stream.ts'
import type { S3Settings } from './settings.ts'
import { allocator } from './memory.ts'
import type {
  ByteSink,
  GetOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
  RequestOptions,
  StreamOptions,
} from './store.ts'

type ObjectDoing = Doing & { verb: 'read' | 'stat'; key: string }

export interface S3StoreOptions {
  signal?: AbortSignal | undefined
  patience?: Partial<Patience> | undefined
}

/** Opens a store in a bucket; contacts nothing yet. */
export function openS3Store(settings: S3Settings, options: S3StoreOptions = {}): ObjectStore {
  return openS3StoreOn(new S3Session(settings, options.signal, options.patience ?? {}))
}

/** A store on a session that others use too. */
export function openS3StoreOn(session: S3Session): ObjectStore {
  return new S3Store(session)
}

class S3Store implements ObjectStore {
  readonly url: string
  private readonly session: S3Session
  /** Whether conditional writes work here; settled by the profile, the probe, or an answer that proves the contrary. */
  private conditional: Promise<boolean> | undefined
  private isUnconditional = false

  constructor(session: S3Session) {
    this.session = session
    this.url = storeUrl(session.settings)
    const { conditionalPut } = session.settings.provider
    if (conditionalPut !== 'probe') this.conditional = Promise.resolve(conditionalPut === 'yes')
    this.isUnconditional = conditionalPut === 'no'
  }

  async supportsConditionalWrites(options: RequestOptions = {}): Promise<boolean> {
    if (this.isUnconditional) return false
    this.conditional ??= probeConditionalPut(this.session, options)
    try {
      this.isUnconditional = !(await this.conditional)
      return !this.isUnconditional
    } catch (error) {
      this.conditional = undefined
      throw this.session.explain(error, { verb: 'probe' })
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<Buffer | undefined> {
    checkKey(key)
    const { range, bulk = false } = options
    if (range && range.end <= range.start) {
      return (await this.head(key, options)) && Buffer.alloc(0)
    }
    const { requests } = this.session
    const fullKey = this.session.fullKey(key)
    return this.find({ verb: 'read', key }, options, () => {
      let current: AbortSignal | undefined
      const reading = new S3Reading(
        (rest, ifMatch) => requests.get(fullKey, { bulk, range: rest, ifMatch, signal: current }),
        { range, allocate: allocator(bulk) },
      )
      return this.session.attempt(options, (signal) => {
        current = signal
        return reading.proceed(signal)
      })
    })
  }

  async stream(
    key: string,
    sink: ByteSink,
    options: StreamOptions = {},
  ): Promise<number | undefined> {
    checkKey(key)
    const { range } = options
    const { requests } = this.session
    const fullKey = this.session.fullKey(key)
    return this.find({ verb: 'read', key }, options, () => {
      let current: AbortSignal | undefined
      const stream = new S3Stream(
        (rest, ifMatch) =>
          requests.get(fullKey, { bulk: true, range: rest, ifMatch, signal: current }),
        { range, sink },
      )
      return this.session.attempt(options, (signal) => {
        current = signal
        return stream.proceed(signal)
      })
    })
  }

  expectReads(count: number): void {
    this.session.requests.expectReads(count)
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key)
    this.checkSize(key, body)
    const result = options.ifAbsent
      ? await this.putIfAbsent(key, body, options)
      : await this.overwrite(key, body, options)
    this.session.bucketSeen = true
    return result
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    checkKey(key)
    const { requests } = this.session
    const fullKey = this.session.fullKey(key)
    const found = await this.find({ verb: 'stat', key }, options, () =>
      this.session.attempt(options, (signal) => requests.head(fullKey, signal)),
    )
    return found && { key, ...found }
  }

  list(
    prefix: string,
    options: RequestOptions & { after?: string } = {},
  ): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    return listObjects(this.session, prefix, options)
  }

  async remove(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key)
    const root = this.session.fullKey('')
    let left
    try {
      left = await removeKeys(
        this.session,
        keys.map((key) => root + key),
        options,
      )
    } catch (error) {
      throw this.session.explain(error, { verb: 'remove' })
    }
    const [first] = left
    if (first === undefined) return
    const names = left.map(({ key }) => `\`${key.slice(root.length)}\``).join(', ')
    throw new BerthError(
      'object-store/remove-failed',
      `could not remove ${names} from ${this.url}: ${first.message || first.code}`,
      { hint: 'allow this key to delete objects, and look for a retention rule on the bucket' },
    )
  }

  async close(): Promise<void> {
    this.session.requests.close()
  }

  private async overwrite(key: string, body: Uint8Array, options: PutOptions): Promise<PutResult> {
    await this.session.run({ verb: 'write', key }, options, (signal) =>
      this.session.requests.put(this.session.fullKey(key), body, {
        ifAbsent: false,
        sha256: options.sha256,
        signal,
      }),
    )
    return 'written'
  }

  private async putIfAbsent(
    key: string,
    body: Uint8Array,
    options: PutOptions,
  ): Promise<PutResult> {
    if (!this.isUnconditional) {
      let result
      try {
        result = await putIfAbsent(this.session, key, body, options)
      } catch (error) {
        throw this.session.explain(error, { verb: 'write', key })
      }
      if (result === 'ours-or-theirs') {
        return (await this.holds(key, body, options)) ? 'written' : 'exists'
      }
      if (result !== 'unsupported') return result
      this.isUnconditional = true
    }
    // Not exclusive; `supportsConditionalWrites` says so.
    return (await this.head(key, options)) ? 'exists' : this.overwrite(key, body, options)
  }

  /** Whether the object has these bytes. */
  private async holds(key: string, body: Uint8Array, options: RequestOptions): Promise<boolean> {
    const found = await this.head(key, options)
    if (found?.size !== body.byteLength) return false
    const { etagIsMd5 } = this.session.settings.provider
    if (etagIsMd5 && matchesEtag(found.etag, body)) return true
    return (await this.get(key, options))?.equals(body) ?? false
  }

  /** Runs a request for one object; `undefined` only when it is certain that the object does not exist. */
  private async find<Result>(
    doing: ObjectDoing,
    options: RequestOptions,
    request: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      const result = await request()
      this.session.bucketSeen = true
      return result
    } catch (error) {
      if (!(error instanceof S3Failure)) throw error
      if (error.kind === 'missing') {
        if (!(await this.mayBeHidden(doing, error, options))) return undefined
        throw this.session.explain(new S3Failure('refused', error.message), doing)
      }
      // Without the permission to list, a missing object is a 403 too. A listing also says what the answer to a HEAD can't.
      if (error.kind === 'denied' && !(await this.isListed(doing, options))) return undefined
      if (error.kind === 'refused') await this.isListed(doing, options)
      throw this.session.explain(error, doing)
    }
  }

  /**
   * Whether a 404 may mean something else than that the object is missing. The answer to a HEAD has no body, so that once the bucket
   * must be seen; a 404 without S3's own word may come from anything on the way.
   */
  private async mayBeHidden(
    doing: ObjectDoing,
    failure: S3Failure,
    options: RequestOptions,
  ): Promise<boolean> {
    if (failure.code === 'NoSuchKey') {
      this.session.bucketSeen = true
      return false
    }
    if (doing.verb === 'stat' && this.session.bucketSeen) return false
    return this.isListed(doing, options)
  }

  private async isListed(doing: ObjectDoing, options: RequestOptions): Promise<boolean> {
    const prefix = this.session.fullKey(doing.key)
    const page = await this.session.run(doing, options, (signal) =>
      this.session.requests.listPage({ prefix, limit: 1 }, signal),
    )
    this.session.bucketSeen = true
    return page.objects[0]?.key === prefix
  }

  private checkSize(key: string, body: Uint8Array): void {
    const { maxPutBytes, name } = this.session.settings.provider
    if (body.byteLength <= maxPutBytes) return
    throw new BerthError(
      'object-store/too-big',
      `could not write \`${key}\` to ${this.url}: ${name} takes at most ${maxPutBytes} bytes at once, not ${body.byteLength}`,
      { hint: 'write it in smaller objects' },
    )
  }
}
