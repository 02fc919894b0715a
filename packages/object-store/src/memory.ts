/** Where a body goes: memory of its own, or memory that worker threads see too. Not zeroed where that can be had. */
export function allocator(shared: boolean): (bytes: number) => Buffer {
  return shared
    ? (bytes) => Buffer.from(new SharedArrayBuffer(bytes))
    : (bytes) => Buffer.allocUnsafeSlow(bytes)
}
