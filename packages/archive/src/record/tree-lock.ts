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
  // macOS has no such sockets; there Berth is only tried out.
  if (process.platform !== 'linux') {
    mkdirSync(state, { recursive: true, mode: 0o700 })
    return { [Symbol.asyncDispose]: async () => {} }
  }
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const name = makeAndName(state)
    const server = await tryListen(name)
    if (server !== undefined) {
      const release = () => new Promise<void>((done) => void server.close(() => done()))
      // Whoever had the lock may have removed it, because it held nothing.
      if (nameOf(state) === name) return { [Symbol.asyncDispose]: release }
      await release()
      continue
    }
    if (attempt === 1) onWait?.()
    await setTimeout(POLL_MS)
  }
}

function makeAndName(state: string): string {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  return nameOf(state) ?? makeAndName(state)
}

function nameOf(state: string): string | undefined {
  const stats = statSync(state, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? undefined : `\0berth-tree-${stats.dev}-${stats.ino}`
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
