import { constants } from 'node:os'

const MEANINGS: Record<number, string> = {
  124: 'a time limit',
  126: 'found, but not executable',
  127: 'command not found',
}

const SIGNAL_MEANINGS: Partial<Record<NodeJS.Signals, string>> = {
  SIGKILL: 'often because memory ran out',
  SIGSEGV: 'a crash',
  SIGABRT: 'a crash',
  SIGBUS: 'a crash, often because a disk or /dev/shm is full',
  SIGILL: 'an instruction that this processor lacks',
}

/** How a command ended, in words: `exit code 127 (command not found)`, `SIGKILL (often because memory ran out)`. */
export function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return withMeaning(signal, SIGNAL_MEANINGS[signal])
  if (code === null) return 'an unknown end'
  // A shell reports the signal that ended its command as 128 + its number.
  const name = code > 128 ? signalName(code - 128) : undefined
  const meaning =
    name === undefined ? MEANINGS[code] : withMeaning(name, SIGNAL_MEANINGS[name], ', ')
  return withMeaning(`exit code ${code}`, meaning)
}

function withMeaning(what: string, meaning: string | undefined, comma?: string): string {
  if (meaning === undefined) return what
  return comma === undefined ? `${what} (${meaning})` : `${what}${comma}${meaning}`
}

function signalName(number: number): NodeJS.Signals | undefined {
  const entry = Object.entries(constants.signals).find(([, value]) => value === number)
  return entry?.[0] as NodeJS.Signals | undefined
}
