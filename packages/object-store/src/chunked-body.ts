const MAX_LINE_BYTES = 1024

/** A body that comes in chunks (HTTP/1.1 `Transfer-Encoding: chunked`), taken apart as it arrives. */
export class ChunkedBody {
  /** Its end has come. */
  isWhole = false
  /** Something came behind the end. */
  hasMore = false
  private state: 'size' | 'bytes' | 'edge' | 'trailer' = 'size'
  private line = ''
  private missing = 0

  /** The body's own bytes among these; `undefined` when it is no body in chunks. */
  take(bytes: Buffer): Buffer | undefined {
    const own: Buffer[] = []
    let at = 0
    while (at < bytes.length) {
      if (this.isWhole) {
        this.hasMore = true
        break
      }
      if (this.state === 'bytes') {
        const part = bytes.subarray(at, at + this.missing)
        own.push(part)
        at += part.length
        this.missing -= part.length
        if (this.missing === 0) this.state = 'edge'
        continue
      }
      const end = bytes.indexOf(0x0a, at)
      const stop = end < 0 ? bytes.length : end + 1
      this.line += bytes.toString('latin1', at, stop)
      at = stop
      if (this.line.length > MAX_LINE_BYTES) return undefined
      if (end < 0) break
      if (!this.endLine()) return undefined
    }
    return own.length === 1 ? own[0] : Buffer.concat(own)
  }

  private endLine(): boolean {
    const line = this.line
    this.line = ''
    if (!line.endsWith('\r\n')) return false
    const text = line.slice(0, -2)
    if (this.state === 'edge') {
      this.state = 'size'
      return text === ''
    }
    if (this.state === 'trailer') {
      this.isWhole = text === ''
      return true
    }
    const [, size] = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(text) ?? []
    if (size === undefined) return false
    this.missing = parseInt(size, 16)
    this.state = this.missing === 0 ? 'trailer' : 'bytes'
    return true
  }
}
