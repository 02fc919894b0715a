import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { bootLogFile, lastOfBootLog, withBootLog } from './boot-log.ts'
import { askBoot } from './control-client.ts'

/** How many of its last lines are shown of a boot that has ended. */
const shownLines = 20

/**
 * Starts this very command once more, without `--detach`, in a session of its own, with its output in `boot.log` in the state directory.
 * Resolves with 0 when its boot has ended and it lives on, 1 if the boot failed;
 * with its exit code when it has ended too.
 */
export async function detach(stateDirectory: string): Promise<number> {
  if (process.pid === 1) throw pointless()
  const child = withBootLog(stateDirectory, startAgain)
  let code: number | undefined
  child.once('exit', (status, signal) => {
    code = signal === null ? (status ?? exitCodes.failed) : exitCodeOfSignal(signal)
  })
  while (code === undefined) {
    const status = await askBoot(stateDirectory, { verb: 'status' }).catch(() => undefined)
    const boot = bootOf(status, child.pid)
    if (boot !== undefined) {
      child.unref()
      const how = boot === 'failed' ? 'goes on though its boot failed' : 'runs'
      process.stdout.write(
        `process ${child.pid} ${how}; its output is in ${bootLogFile(stateDirectory)}\n`,
      )
      return boot === 'failed' ? exitCodes.failed : exitCodes.right
    }
    await sleep(100)
  }
  process.stderr.write(`${lastOfBootLog(stateDirectory, shownLines).join('\n')}\n`)
  return code
}

function startAgain(output: number): ReturnType<typeof spawn> {
  const end = process.argv.indexOf('--')
  const own = process.argv.slice(1, end === -1 ? undefined : end)
  const rest = end === -1 ? [] : process.argv.slice(end)
  const args = [...process.execArgv, ...own.filter((word) => word !== '--detach'), ...rest]
  const stdio = ['ignore', output, output] as const
  return spawn(process.execPath, args, { detached: true, stdio: [...stdio] })
}

/** How the boot ended, when it has, and the process lives on. */
function bootOf(status: unknown, pid: number | undefined): string | undefined {
  const facts = status as { pid: number; phase: string; boot: string } | undefined
  return facts?.pid === pid && facts?.phase === 'main' ? facts.boot : undefined
}

function pointless(): BerthError {
  return new BerthError('cli/usage', '`--detach` as PID 1 would end the container', {
    hint: 'leave it out in an ENTRYPOINT; it is for a start script, or a shell',
  })
}
