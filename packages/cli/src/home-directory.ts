import { homedir } from 'node:os'

/** Sets HOME to `/`, as container runtimes do, where neither it nor a line of /etc/passwd says it: libraries ask for it, and throw. */
export function ensureHome(): void {
  try {
    homedir()
  } catch {
    process.env.HOME = '/'
  }
}
