import { spawn } from 'node:child_process'

export interface CommandAnswer {
  /** `late`: it did not end in time and was left behind; a process in a hung mount can't even be killed. */
  result: 'ended' | 'late'
  code: number | null
  said: string
  /** 0 where it could not be started. */
  pid: number
}

/**
 * Runs a short command that may hang in the kernel: whatever happens, the answer comes within `withinMs`, and this process never touches
 * the mount itself, whose threads would hang with it.
 */
export function runShort(
  command: readonly [string, ...string[]],
  withinMs: number,
): Promise<CommandAnswer> {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let said = ''
    const answer = (result: CommandAnswer['result'], code: number | null) => {
      clearTimeout(timer)
      child.unref()
      child.stdout.destroy()
      child.stderr.destroy()
      resolve({ result, code, said: said.trim(), pid: child.pid ?? 0 })
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      answer('late', null)
    }, withinMs)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)))
    }
    child.once('close', (code) => answer('ended', code))
    child.once('error', (error) => {
      said = error.message
      answer('ended', 127)
    })
  })
}
