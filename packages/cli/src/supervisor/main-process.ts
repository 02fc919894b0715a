import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import type { Ending } from './exit-code.ts'
import { endProcesses, killProcesses, processesMarked, signalProcess } from './process-table.ts'
import { ProcessFamily } from './process-family.ts'
import type { MainFacts } from './protocol.ts'
import { commandAs } from './user-command.ts'

/** The environment variable by which what main started is found, also where it left main's group. */
export const mainMark = 'BERTH_MAIN'

/** What main leaves behind gets this long between SIGTERM and SIGKILL. */
const leftoverPatienceMs = 2000

/** The app's own process, from its start until nothing of it is left. */
export interface MainProcess {
  pid: number
  /** What is not as the recipe has it. */
  warning: string | undefined
  /** Shares our process group because it needs the terminal, which then signals it directly. */
  hasTerminal: boolean
  ended: Promise<Ending>
  signal: (name: NodeJS.Signals) => void
  /** Ends all that main started: at once by SIGKILL when main itself is still there, else as kindly as the time allows. */
  clear: (deadline: number) => Promise<void>
}

/**
 * Starts main with our terminal and the whole environment; `mark` is for it, and all that it starts, to be found by. Throws
 * `cli/main-not-started` when there is no such command.
 */
export async function startMain(
  main: MainFacts,
  env: NodeJS.ProcessEnv,
  mark: string,
): Promise<MainProcess> {
  const asked = main.command[0] ?? ''
  const user = main.user === undefined ? undefined : commandAs(main.user, main.command)
  const [file = '', ...args] = user?.command ?? main.command
  // Only the terminal's foreground group may read from it, and Node can't hand the foreground over.
  const hasTerminal = process.stdin.isTTY === true
  const child = spawn(file, args, {
    stdio: 'inherit',
    detached: !hasTerminal,
    env: { ...env, ...user?.env, ...main.env, [mainMark]: mark },
    ...(main.workingDirectory === undefined ? {} : { cwd: main.workingDirectory }),
    ...user?.ids,
  })
  await spawned(child, asked, main.workingDirectory)
  const pid = child.pid ?? 0
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const family = new ProcessFamily(pid)
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  return {
    pid,
    warning: user?.warning,
    hasTerminal,
    ended,
    signal: (name) => {
      // Its children may lose it by this, and could not be found any more.
      family.members()
      if (!isOver()) signalProcess(pid, name)
    },
    clear: async (deadline) => {
      const patience = Math.max(0, Math.min(leftoverPatienceMs, deadline - Date.now()))
      const ours = (): number[] => [
        ...new Set([...family.members(), ...processesMarked(mainMark, mark)]),
      ]
      if (isOver()) await endProcesses(ours, patience)
      else signalProcess(hasTerminal ? pid : -pid, 'SIGKILL')
      await killProcesses(ours)
      // A process in an uninterruptible wait (a hung volume) may not even die of SIGKILL in time.
      await Promise.race([ended, sleep(500)])
    },
  }
}

function spawned(child: ChildProcess, file: string, directory: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'there is no such command' : error.message
      const where = directory === undefined ? '' : ` in \`${directory}\``
      reject(
        new BerthError(
          'cli/main-not-started',
          `could not start main \`${file}\`${where}: ${reason}`,
          {
            hint: 'check the command after `--` or in `main.command`, and `main.working-directory`',
            cause: error,
          },
        ),
      )
    })
  })
}

/** The number that a shell would answer with when it can't start a command. */
export function notStartedCode(error: unknown): number {
  const cause =
    error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
  return cause?.errno === -constants.errno.EACCES ? 126 : 127
}
