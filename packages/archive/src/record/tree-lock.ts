import { statSync, mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { setTimeout } from 'node:timers/promises'

const POLL_MS = 50

/**
 * Keeps a directory's restores and saves apart: in this process and in the others of this container. Waits until the one under way
 * has ended, or the signal aborts. It is an abstract unix socket (unix(7)), so the kernel frees it with its process, however that
 * dies. Pods that share a volume don't see each other's; what they do at once is safe, only not as economical.
 */
export async function lockTree(
  state: string,
  { signal, onWait }: { signal?: AbortSignal | undefined; onWait?: (() => void) | undefined },
): Promise<AsyncDisposable> {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  // macOS has no such sockets; there Berth is only tried out.
  if (process.platform !== 'linux') return { [Symbol.asyncDispose]: async () => {} }
  const { dev, ino } = statSync(state, { bigint: true })
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const server = await tryListen(`\0berth-tree-${dev}-${ino}`)
    if (server !== undefined) {
      return { [Symbol.asyncDispose]: () => new Promise((done) => void server.close(() => done())) }
    }
    if (attempt === 1) onWait?.()
    await setTimeout(POLL_MS)
  }
}

async function tryListen(path: string): Promise<Server | undefined> {
  const server = createServer((connection) => connection.destroy()).unref()
  return new Promise((resolve) => {
    // A sandbox without such sockets must not keep anyone from saving.
    server.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? undefined : server),
    )
    server.listen(path, () => resolve(server))
  })
}
