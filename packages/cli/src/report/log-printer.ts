import type { BerthEvent } from '@berth/core'
import { outputMask } from '../output-mask.ts'
import { EventLines } from '../reporters/event-lines.ts'
import { formatCount } from '../reporters/format.ts'
import { type Style, styleFor } from '../reporters/symbols.ts'
import type { RecordLine } from './record-line.ts'

export interface LogSelection {
  /** Only this step's. */
  step: string | undefined
  /** The lines of the record themselves. */
  json: boolean
}

/** Prints lines of a record as the boot's own reporter did, masked once more. */
export function createLogPrinter(
  stream: NodeJS.WritableStream,
  { step, json }: LogSelection,
): (lines: readonly RecordLine[]) => void {
  const style = styleFor(stream)
  const mask = outputMask()
  let events: EventLines | undefined
  return (lines) => {
    for (const line of lines) {
      // Times count from the boot's beginning, also where only a step is shown.
      events ??= new EventLines(style, line.time)
      const shown = mask.value(line)
      const texts = json ? [JSON.stringify(shown)] : textsOf(shown, events, style)
      if (isSelected(line, step)) stream.write(texts.map((text) => `${text}\n`).join(''))
    }
  }
}

function textsOf(line: RecordLine, events: EventLines, style: Style): string[] {
  switch (line.type) {
    case 'record:start':
      return []
    case 'record:take-over': {
      const text = '`berth shutdown` goes on in the place of the boot'
      return [events.row(line.time, 'berth', 'running', text)]
    }
    case 'record:end':
      return [events.row(line.time, 'berth', 'running', `ended with exit code ${line.code}`)]
    case 'record:left-out': {
      const what =
        line.rounds === undefined
          ? `${formatCount(line.lines ?? 0)} lines were left out of the record`
          : `${formatCount(line.rounds.count)} rounds were left out of the record`
      return [events.row(line.time, line.step ?? 'berth', 'working', style.dim(what))]
    }
    default:
      return events.of(line satisfies BerthEvent)
  }
}

function isSelected(line: RecordLine, step: string | undefined): boolean {
  if (step === undefined) return true
  if (!('step' in line)) return false
  return line.step === step || ('of' in line && line.of === step)
}
