import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'

const entry = join(import.meta.dirname, '../index.ts')

export interface ProgramEnd {
  code: number | null
  signal: string | null
  output: string
  complaints: string
}

export interface Program {
  /** JavaScript; the package's exports are `filesystem`, `values` is below. */
  script: string
  values?: unknown
  /** A command that runs the one appended to it. */
  wrapper?: readonly string[]
  /** Receives the process as soon as it runs. */
  onStart?: (pid: number) => void
}

/** Runs a script in a Node process of its own and waits for its end. */
export async function runProgram({
  script,
  values,
  wrapper = [],
  onStart,
}: Program): Promise<ProgramEnd> {
  const text = `import * as filesystem from ${JSON.stringify(entry)}
    const values = ${JSON.stringify(values ?? null)}
    ${script}`
  const [command, ...words] = [...wrapper, process.execPath, '--input-type=module', '-e', text]
  const child = spawn(command ?? '', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, complaints] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaints += chunk))
  if (child.pid !== undefined) onStart?.(child.pid)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output, complaints }))
  })
}

/** Runs a script where it may mount what it likes: `prepare` is a shell script. Returns what the script printed, as JSON. */
export async function runWithMounts(
  prepare: string,
  script: string,
  values?: unknown,
): Promise<unknown> {
  const wrapper = [...unshare(), 'bash', '-ec', `${prepare}\n"$@"`, 'bash']
  const { code, output, complaints } = await runProgram({ script, values, wrapper })
  if (code !== 0) throw new Error(`ended with ${code}: ${complaints}`)
  return JSON.parse(output)
}

/** Why this machine can't mount, as a reason to skip; undefined when it can. */
export function missingMounts(prepare = 'mount -t tmpfs none /mnt'): string | undefined {
  return attempt([...unshare(), 'bash', '-ec', prepare])
    ? undefined
    : 'mount: this user may not mount here'
}

/** Why a process can't be killed at a chosen system call here; undefined when it can. */
export function missingStrace(): string | undefined {
  return attempt(['strace', '-qq', '-e', 'trace=rename', 'true'])
    ? undefined
    : 'strace: it is not installed, or may not trace'
}

/** A wrapper that kills a process with SIGKILL as it enters its n-th call of this name. */
export function killAtCall(call: string, n: number): string[] {
  const quiet = ['-f', '-qqq', '-o', '/dev/null', '-e', `trace=${call}`]
  // Without --seccomp-bpf, with which it loses count. It counts per thread: with one thread in the pool, the n-th call is the n-th of all.
  const wrapper = ['env', 'UV_THREADPOOL_SIZE=1', 'strace', ...quiet]
  return [...wrapper, '-e', `inject=${call}:signal=SIGKILL:when=${n}`]
}

/** Says whether a program was killed, rather than ended by itself. */
export function wasKilled({ code, signal }: ProgramEnd): boolean {
  return signal === 'SIGKILL' || code === 137
}

function unshare(): string[] {
  return process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm']
}

function attempt([command = '', ...words]: string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
