import { StringDecoder } from 'node:string_decoder'
import { createControlStripper } from './control-sequences.ts'
import type { Mask } from '../mask/mask.ts'

/** A longer line is passed on in pieces. */
const LONGEST_LINE = 16_384
/** A chunk is taken in parts, so that what is made of it is small: a command's megabytes would make Node's heap grow with them. */
const PART_BYTES = 8192
/** A progress bar rewrites its line with `\r` many times a second; one state of it a second is enough. */
const REWRITE_MS = 1000

export interface LineReader {
  write: (chunk: Buffer) => void
  end: () => void
}

/**
 * Turns a command's bytes into masked lines without colours, whatever the chunks' borders cut through. Memory is bounded by a line's
 * longest length.
 */
export function createLineReader(mask: Mask, onLine: (line: string) => void): LineReader {
  const decoder = new StringDecoder('utf8')
  // Before the mask: a colour in the middle of a secret would hide it from the mask and from nobody else.
  const plain = createControlStripper()
  const masked = mask.stream()
  let rest = ''
  let rewrittenAt = -Infinity
  const take = (text: string) => {
    const parts = (rest + text).split(/(\r\n|\n|\r(?!$))/)
    rest = parts.pop() ?? ''
    for (let at = 0; at < parts.length; at += 2) passLine(parts[at] ?? '', parts[at + 1] === '\r')
    rest = passPieces(rest)
  }
  const passLine = (line: string, isRewritten: boolean) => {
    if (isRewritten) {
      if (line === '' || performance.now() - rewrittenAt < REWRITE_MS) return
      rewrittenAt = performance.now()
    }
    onLine(mask.line(passPieces(line)))
  }
  const passPieces = (line: string): string => {
    let at = 0
    for (; line.length - at > LONGEST_LINE; at += LONGEST_LINE)
      onLine(line.slice(at, at + LONGEST_LINE))
    return line.slice(at)
  }
  return {
    write: (chunk) => {
      for (let at = 0; at < chunk.length; at += PART_BYTES) {
        take(masked.write(plain.write(decoder.write(chunk.subarray(at, at + PART_BYTES)))))
      }
    },
    end: () => {
      take(masked.write(plain.write(decoder.end()) + plain.end()) + masked.end())
      if (rest !== '') onLine(mask.line(rest.replace(/\r$/, '')))
      rest = ''
    },
  }
}
