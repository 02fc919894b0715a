/** One request as a test server saw it. */
export interface RecordedRequest {
  method: string
  /** Decoded, without the bucket; empty for requests to the bucket itself. */
  key: string
  /** Without the question mark: tells a listing from a probe of the bucket. */
  query: string
  /** 0 until there is an answer, and when the connection was cut before. */
  status: number
  /** Of the body that was sent to the server, or for a GET came from it. */
  bytes: number
}

/** Splits a path-style request target into what a record holds. */
export function readTarget(target: string): { bucket: string; key: string; query: string } {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? []
  return {
    bucket: decodeURIComponent(bucket),
    key: decodeURIComponent(key),
    query: mark === -1 ? '' : target.slice(mark + 1),
  }
}
