import { stripVTControlCharacters } from 'node:util'

const ESCAPE = '\u001B'
const BELL = '\u0007'

/** A sequence that more text may complete: `ESC [ 3`, a link's address. */
const UNFINISHED = new RegExp(`${ESCAPE}(?:[[()#;?]*[\\d;?]*|\\][^${BELL}${ESCAPE}]*${ESCAPE}?)$`)

/** What is longer is no control sequence, and is passed on. */
const LONGEST = 2048

export interface ControlStripper {
  /** The text so far without control sequences. A tail that could be the beginning of one is held until more comes. */
  write: (chunk: string) => string
  /** The rest. */
  end: () => string
}

/** Takes what colours text, moves the cursor or makes a link out of a stream. */
export function createControlStripper(): ControlStripper {
  let held = ''
  return {
    write: (chunk) => {
      const text = held + chunk
      const window = Math.max(0, text.length - LONGEST)
      const found = UNFINISHED.exec(text.slice(window))
      const end = found === null ? text.length : window + found.index
      held = text.slice(end)
      return stripVTControlCharacters(text.slice(0, end))
    },
    end: () => {
      const rest = held
      held = ''
      return stripVTControlCharacters(rest)
    },
  }
}
