import type { ProcessOutput } from 'zx/core'
import { commandFailed } from './command/spawn-command.ts'

const TAIL_LINES = 20

/** What a step threw, where it is a failed command of zx as the error of a failed command, without zx's own frame around it. */
export function describeThrown(error: unknown): unknown {
  if (!isProcessOutput(error)) return error
  const { cause, exitCode: code, signal, stderr } = error
  if (cause !== null) return cause
  const errorTail = stderr.trimEnd().split('\n').slice(-TAIL_LINES)
  return commandFailed('a command', { code, signal, errorTail })
}

/** By its tag, because the class itself would load zx. */
function isProcessOutput(error: unknown): error is ProcessOutput {
  return error instanceof Error && Reflect.get(error, Symbol.toStringTag) === 'ProcessOutput'
}
