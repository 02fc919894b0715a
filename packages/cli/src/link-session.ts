import { BerthError } from '@berth/core/error'
import type { StepLog } from '@berth/core'
import { exitCodeOfSignal } from './exit-codes.ts'
import { outputMask } from './output-mask.ts'
import { catchSignals, isStopSignal, type StopSignal } from './supervisor/signals.ts'

/** What the commands about links are given. */
export interface LinkSession {
  env: Record<string, string>
  workingDirectory: string
  log: StepLog
  signal: AbortSignal
  /** There is no shutdown that could take it back. */
  willUndo: () => Promise<void>
  deadline: undefined
}

export interface LinkAnswer {
  /** What is printed with `--json`. */
  data: unknown
  /** The same for people. */
  text: string
  exitCode: number
}

/** Runs one command about links: what it says goes to stderr, the answer to stdout, a signal cancels. */
export async function withLinks(
  { verb, json, quiet = false }: { verb: string; json: boolean; quiet?: boolean },
  action: (session: LinkSession) => Promise<LinkAnswer>,
): Promise<number> {
  const cancel = new AbortController()
  let stopped: StopSignal | undefined
  catchSignals().listen(({ name }) => {
    if (!isStopSignal(name)) return
    stopped ??= name
    cancel.abort(new BerthError('cli/cancelled', `could not ${verb}: ${name} came`))
  })
  const mask = outputMask()
  const say = (text: string) => {
    if (!quiet) process.stderr.write(`${mask.text(text)}\n`)
  }
  const warn = (text: string) => process.stderr.write(`${mask.text(`⚠ ${text}`)}\n`)
  const line: StepLog['line'] = (level, text) => (level === 'info' ? say(text) : warn(text))
  const session: LinkSession = {
    env: presentVariables(),
    workingDirectory: process.cwd(),
    log: Object.assign((text: string) => say(text), { info: say, warn, line }),
    signal: cancel.signal,
    willUndo: async () => undefined,
    deadline: undefined,
  }
  try {
    const { data, text, exitCode } = await action(session)
    const shown = json ? JSON.stringify(mask.value(data), undefined, 2) : mask.text(text)
    if (shown !== '' && (json || !quiet)) process.stdout.write(`${shown}\n`)
    return exitCode
  } catch (error) {
    if (stopped !== undefined) return exitCodeOfSignal(stopped)
    throw error
  }
}

/** `--option name=value`, as the options of a mount. Throws `cli/usage`. */
export function mountOptions(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const [, name, value = ''] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? []
      if (name === undefined) {
        throw new BerthError('cli/usage', `\`--option ${text}\` has no name`, {
          hint: 'write `--option part-size=64MiB`',
        })
      }
      return [name, value]
    }),
  )
}

/** Throws `cli/usage` for another driver than there are. */
export function requireDriver(name: string | undefined): 'auto' | 's3fs' | 'rclone' | 'watch' {
  const known = ['auto', 's3fs', 'rclone', 'watch'] as const
  const found = known.find((driver) => driver === (name ?? 'auto'))
  if (found !== undefined) return found
  throw new BerthError('cli/usage', `\`--driver ${name}\` is none of ${known.join(', ')}`, {
    hint: 'leave it out for the best that works here',
  })
}

function presentVariables(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  )
}
