/** A piece of a text with expressions. `offset` is where an expression's own text begins in the whole. */
export type TemplatePart =
  | { kind: 'text'; text: string }
  | { kind: 'expression'; text: string; offset: number }

export interface Template {
  parts: TemplatePart[]
  /** Where a `${{` stands that is never closed. */
  unclosedAt?: number
}

/** Splits a text at its `${{ … }}`. A `}}` inside the expression's own single quotes doesn't close it. */
export function parseTemplate(text: string): Template {
  const parts: TemplatePart[] = []
  let from = 0
  for (;;) {
    const open = text.indexOf('${{', from)
    if (open === -1) {
      break
    }
    const close = closingBraces(text, open + 3)
    if (close === -1) {
      return { parts, unclosedAt: open }
    }
    if (open > from) {
      parts.push({ kind: 'text', text: text.slice(from, open) })
    }
    parts.push({ kind: 'expression', text: text.slice(open + 3, close), offset: open + 3 })
    from = close + 2
  }
  if (from < text.length) {
    parts.push({ kind: 'text', text: text.slice(from) })
  }
  return { parts }
}

/** Says whether a value is a text that is one expression and nothing else, and so has the expression's type. */
export function isWholeExpression(value: unknown): boolean {
  return wholeExpression(value) !== undefined
}

/** The bare expression of a value that is one expression and nothing else. */
export function wholeExpression(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('${{')) {
    return undefined
  }
  const { parts, unclosedAt } = parseTemplate(value)
  const [part] = parts
  return parts.length === 1 && unclosedAt === undefined && part?.kind === 'expression'
    ? part.text
    : undefined
}

/** Says whether a value, or anything within it, holds an expression. */
export function hasExpression(value: unknown): boolean {
  if (typeof value === 'string') {
    return value.includes('${{')
  }
  return typeof value === 'object' && value !== null && Object.values(value).some(hasExpression)
}

function closingBraces(text: string, from: number): number {
  let quoted = false
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === "'") {
      quoted = !quoted
    } else if (!quoted && text.startsWith('}}', at)) {
      return at
    }
  }
  return -1
}
