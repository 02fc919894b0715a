import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { PipelineName } from '../event.ts'
import type { FactValue } from '../plugin/outcome.ts'
import { stateProblem } from '../recipe/state-problem.ts'

/** What a step announced before it acted. */
export interface UndoIntent {
  /** Unique in the journal. */
  id: string
  step: string
  /** `plugin/step`, so that the undo is found even if a changed recipe has no step of this id. */
  uses: string
  pipeline: PipelineName
  data: FactValue
}

type Line =
  | ({ kind: 'intent'; time: number } & UndoIntent)
  | { kind: 'undone'; time: number; id: string }

export interface Journal {
  /** Resolves when the intent is on the disk. */
  intend: (intent: Omit<UndoIntent, 'id'>) => Promise<void>
  undone: (intent: UndoIntent) => Promise<void>
  /** What is still to be taken back, the last announced first. The same data announced twice by a step is one intent. */
  pending: () => Promise<UndoIntent[]>
  close: () => Promise<void>
}

/**
 * The journal of what must be taken back, `<stateDirectory>/undo.jsonl`: one JSON object a line, only appended to, and fsynced
 * with each. It is made by the first line; several processes may have it open. A SIGKILL or a power cut in the middle of a line costs that line only, whose
 * action had not begun. Throws `core/state-not-written`.
 */
export function openJournal(stateDirectory: string): Journal {
  const file = join(stateDirectory, 'undo.jsonl')
  let handle: FileHandle | undefined
  let last: Promise<unknown> = Promise.resolve()
  const append = async (line: Line) => {
    try {
      handle ??= await openForAppend(file)
      // In one write, so that lines of two processes never mix.
      await handle.appendFile(`${JSON.stringify(line)}\n`)
      await handle.sync()
    } catch (error) {
      // The line may be torn, as by a full disk: opening the file again closes it.
      await handle?.close()
      handle = undefined
      throw stateProblem(file, error)
    }
  }
  const inOrder = (line: Line): Promise<void> => {
    const appended = last.then(() => append(line))
    last = appended.catch(() => {})
    return appended
  }
  return {
    intend: (intent) =>
      inOrder({ kind: 'intent', time: Date.now(), id: crypto.randomUUID(), ...intent }),
    undone: ({ id }) => inOrder({ kind: 'undone', time: Date.now(), id }),
    pending: async () => {
      await last
      return pendingIntents(await readLines(file))
    },
    close: async () => {
      await last
      await handle?.close()
      handle = undefined
    },
  }
}

async function openForAppend(file: string): Promise<FileHandle> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const handle = await open(file, 'a+', 0o600)
  const { size } = await handle.stat()
  if (size === 0) {
    await syncDirectory(dirname(file))
    return handle
  }
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  // Closes a line that a kill cut off, so that it does not swallow the next.
  if (buffer.toString() !== '\n') await handle.appendFile('\n')
  return handle
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory)
  await handle.sync()
}

async function readLines(file: string): Promise<Line[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return text.split('\n').flatMap(parseLine)
}

function parseLine(text: string): Line[] {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && 'kind' in line ? [line as Line] : []
  } catch {
    return []
  }
}

function pendingIntents(lines: readonly Line[]): UndoIntent[] {
  let pending: UndoIntent[] = []
  for (const line of lines) {
    if (line.kind === 'intent') {
      const { id, step, uses, pipeline, data } = line
      const intent = { id, step, uses, pipeline, data }
      pending = [...pending.filter((earlier) => !isSameIntent(earlier, intent)), intent]
    }
    if (line.kind === 'undone') pending = pending.filter(({ id }) => id !== line.id)
  }
  return pending.toReversed()
}

function isSameIntent(one: UndoIntent, other: UndoIntent): boolean {
  return (
    one.step === other.step && one.uses === other.uses && isDeepStrictEqual(one.data, other.data)
  )
}
