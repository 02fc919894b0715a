import type { PlannedFile } from './plan-tree.ts'
import { createRandom, type Random } from './random.ts'

/** Makes the content of files, one after another: zstd makes of it what it makes of real code and real shared objects. */
export interface ContentMaker {
  fill: (buffer: Buffer, kind: PlannedFile['kind']) => void
}

const WORDS = 6_000
const PHRASES = 10_000
const REPEATED = 0.88

export function createContentMaker(seed = 1): ContentMaker {
  const random = createRandom(seed)
  const words = Array.from({ length: WORDS }, () => makeWord(random))
  const phrases = Array.from({ length: PHRASES }, () => makeLine(random, words))
  const pieces = Array.from({ length: PHRASES }, () => makePiece(random))
  return {
    fill: (buffer, kind) => {
      if (kind === 'text') fillText(buffer, { random, words, phrases })
      else fillBinary(buffer, { random, pieces })
    },
  }
}

interface Text {
  random: Random
  words: Buffer[]
  phrases: Buffer[]
}

/** Code repeats itself: seven lines of eight were seen before, near or far. */
function fillText(buffer: Buffer, { random, words, phrases }: Text): void {
  for (let at = 0; at < buffer.length;) {
    const line =
      random.next() < REPEATED
        ? (phrases[random.low(phrases.length)] as Buffer)
        : makeLine(random, words)
    at += line.copy(buffer, at)
  }
}

function makeLine(random: Random, words: Buffer[]): Buffer {
  const indent = Buffer.alloc(4 * Math.floor(random.next() * 4), ' ')
  const number = 2 + Math.floor(random.next() * 7)
  const parts = Array.from({ length: number }, () => words[random.low(words.length)] as Buffer)
  return Buffer.concat([indent, ...parts, newline])
}

const newline = Buffer.from('\n')

function makeWord(random: Random): Buffer {
  const length = 2 + Math.floor(random.next() * 9)
  const letters = Array.from({ length }, () => LETTERS[random.low(LETTERS.length)])
  return Buffer.from(letters.join('') + SIGNS[random.low(SIGNS.length)])
}

const LETTERS = 'etaoinsrhldcumfpgwybvkxjqz_0123456789'
const SIGNS = [' ', '.', '(', ', ', ')', ' = ', ': ', "'", '[', ']', ' == ', '_']

/** Machine code: short sequences that come again and again, and numbers that don't. */
function fillBinary(
  buffer: Buffer,
  { random, pieces }: { random: Random; pieces: Buffer[] },
): void {
  for (let at = 0; at < buffer.length;) {
    at += (pieces[random.low(pieces.length)] as Buffer).copy(buffer, at)
    if (at < buffer.length) buffer[at] = Math.floor(random.next() * 256)
    at += 1
  }
}

function makePiece(random: Random): Buffer {
  const bytes = Array.from({ length: 5 + random.low(56) }, () => random.low(256))
  return Buffer.from(bytes)
}
