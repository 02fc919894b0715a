import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const packageDirectory = join(import.meta.dirname, '../..')
const runFile = promisify(execFile)

/** Why system calls can't be made to fail here, as a reason for `skip`, or `undefined`. */
export function missingStrace(): string | undefined {
  return works(['strace', '-qqq', '-o', '/dev/null', 'true'])
    ? undefined
    : 'strace: it is not installed, or may not trace'
}

/** Why nothing can be mounted here, as a reason for `skip`, or `undefined`. */
export function missingMounts(): string | undefined {
  return works([...unshare(), 'mount', '-t', 'tmpfs', 'none', '/mnt'])
    ? undefined
    : 'mount: this user may not mount here'
}

/** A wrapper that makes system calls fail, on one path or on all. */
export function failingCalls(calls: string, errno: string, path?: string): string[] {
  const only = path === undefined ? [] : ['-P', path]
  const inject = `inject=${calls}:error=${errno}`
  return ['strace', '-f', '-qqq', '-o', '/dev/null', ...only, '-e', `trace=${calls}`, '-e', inject]
}

/** A wrapper with mounts of its own, made by a shell script. */
export function withMounts(script: string): string[] {
  return [...unshare(), 'bash', '-ec', `${script}\n"$@"`, 'bash']
}

/**
 * Runs JavaScript that has `store`, opened from a URL, and `problem(promise)`, which gives an error's code and message, in a
 * process of its own. Answers the value of its `result`.
 */
export async function runWithStore(
  wrapper: readonly string[],
  url: string,
  script: string,
): Promise<unknown> {
  const text = `
    import { openStore } from './src/index.ts'
    const store = await openStore(${JSON.stringify(url)}, { env: {} })
    const problem = (promise) => promise.then(() => 'none', ({ code, message }) => ({ code, message }))
    let result
    ${script}
    console.log(JSON.stringify(result))`
  const [command = '', ...words] = [...wrapper, process.execPath, '--input-type=module', '-e', text]
  const { stdout } = await runFile(command, words, { cwd: packageDirectory })
  return JSON.parse(stdout)
}

function unshare(): string[] {
  return process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm']
}

function works([command = '', ...words]: readonly string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
