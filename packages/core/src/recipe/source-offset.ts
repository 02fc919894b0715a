import type { ScalarNode, Span } from './recipe-node.ts'

/**
 * Where characters of a scalar's value were written: the span in the source that stands for `length` characters from `index`.
 * Walks both texts side by side, because quoting, escapes, folding and the indentation of a block make them differ.
 */
export function spanInScalar(node: ScalarNode, index: number, length: number): Span {
  const start = sourceOffset(node, index)
  return { source: node.source, start, end: start + Math.max(1, length) }
}

function sourceOffset(node: ScalarNode, index: number): number {
  const value = String(node.value)
  const written = node.source.text.slice(node.start, node.end)
  let at = contentStart(node, written)
  let done = 0
  while (at < written.length) {
    if (isSpace(written[at]) && !isSpace(value[done])) {
      at += 1
    } else if (done >= index) {
      break
    } else if (isSpace(value[done]) && isSpace(written[at])) {
      // Runs of white space may differ in length: line breaks fold, blocks are indented.
      const run = spaceRun(value, done)
      if (done + run > index) {
        return node.start + at + (index - done)
      }
      done += run
      at += spaceRun(written, at)
    } else {
      at += writtenLength(node.style, written, at)
      done += 1
    }
  }
  return node.start + Math.min(at, Math.max(0, written.length - 1))
}

/** Behind the opening quote, or behind the `|-` line of a block. */
function contentStart(node: ScalarNode, written: string): number {
  if (node.style === 'block') {
    return written.indexOf('\n') + 1
  }
  return node.style === 'plain' ? 0 : 1
}

/** How many characters of the source stand for one of the value. */
function writtenLength(style: ScalarNode['style'], written: string, at: number): number {
  if (style === 'single' && written.startsWith("''", at)) {
    return 2
  }
  if (style !== 'double' || written[at] !== '\\') {
    return 1
  }
  return { x: 4, u: 6, U: 10 }[written[at + 1] ?? ''] ?? 2
}

function spaceRun(text: string, from: number): number {
  let to = from
  while (isSpace(text[to])) {
    to += 1
  }
  return to - from
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r'
}
