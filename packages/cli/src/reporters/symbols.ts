import { styleText } from 'node:util'

export const symbols = {
  working: '…',
  done: '✔',
  skipped: '–',
  running: '●',
  failed: '✖',
  warning: '⚠',
} as const

export type SymbolName = keyof typeof symbols

const colours = {
  working: 'dim',
  done: 'green',
  skipped: 'dim',
  running: 'cyan',
  failed: 'red',
  warning: 'yellow',
} as const

/** How text is coloured: `plain` leaves it as it is. */
export interface Style {
  symbol: (name: SymbolName) => string
  step: (text: string) => string
  dim: (text: string) => string
}

/** Colours where the stream is a terminal; NO_COLOR and FORCE_COLOR are obeyed. */
export function styleFor(stream: NodeJS.WritableStream): Style {
  return {
    symbol: (name) => styleText(colours[name], symbols[name], { stream }),
    step: (text) => styleText('bold', text, { stream }),
    dim: (text) => styleText('dim', text, { stream }),
  }
}

export const plain: Style = {
  symbol: (name) => symbols[name],
  step: (text) => text,
  dim: (text) => text,
}
