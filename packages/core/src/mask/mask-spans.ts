export interface Span {
  start: number
  end: number
  /** Where the context begins that makes this a secret; absent where there is none. */
  from?: number
}

/** Where a credential stands without anyone having registered it. The group `secret` is what is hidden. */
const RULES = [
  /(?<key>X-Amz-(?:Signature|Credential|Security-Token)\\*["']?[ \t]?[=:][ \t]?\\*["']?)(?<secret>[^&\s"'<>\\]+)/gi,
  /(?<key>authorization\\*["']?[ \t]*[:=][ \t]*\\*["']?)(?<secret>[^\r\n"'\\]+)/gi,
  /(?<key>:\/\/)(?<secret>[^\s/@?#"'<>]+)@/g,
]

/** A tail that may become a match of a rule when more text comes, and the words that may become the beginning of such a tail. */
const UNFINISHED = [
  /X-Amz-(?:Signature|Credential|Security-Token)\\*["']?[ \t]?(?:[=:][ \t]?\\*["']?[^&\s"'<>\\]*)?$/i,
  /authorization\\*["']?[ \t]*(?:[:=][ \t]*\\*["']?[^\r\n"'\\]*)?$/i,
  /:(?:\/(?:\/[^\s/@?#"'<>]*)?)?$/,
]
const KEYWORDS = ['x-amz-signature', 'x-amz-credential', 'x-amz-security-token', 'authorization']
const LONGEST_KEYWORD = 20
const KEYWORD_SEARCH = createLiteralSearch(KEYWORDS)

/** A credential longer than this that is cut by a chunk's border is not seen as one. The longest session tokens have 4 KiB. */
const LONGEST_CREDENTIAL = 16_384

export function ruleSpans(text: string): Span[] {
  const spans: Span[] = []
  for (const rule of RULES) {
    for (const match of text.matchAll(rule)) {
      const start = match.index + (match.groups?.key ?? '').length
      spans.push({ start, end: start + (match.groups?.secret ?? '').length, from: match.index })
    }
  }
  return spans
}

/** The same places in order, none overlapping another. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((one, other) => one.start - other.start)) {
    const last = merged.at(-1)
    if (last !== undefined && span.start < last.end) last.end = Math.max(last.end, span.end)
    else merged.push({ start: span.start, end: span.end })
  }
  return merged
}

/** Moves a position before every context that it would part from its secret. */
export function beforeContexts(position: number, spans: readonly Span[]): number {
  const parted = spans.filter(
    ({ from, end }) => from !== undefined && from < position && end > position,
  )
  if (parted.length === 0) return position
  return beforeContexts(Math.min(...parted.map(({ from }) => from ?? position)), spans)
}

/** The first position from which the text may be the beginning of a match of a rule; its length when there is none. */
export function unfinishedRuleFrom(text: string): number {
  const window = text.slice(-LONGEST_CREDENTIAL)
  const candidates = UNFINISHED.map((rule) => rule.exec(window)?.index ?? window.length)
  const end = window.slice(-LONGEST_KEYWORD).toLowerCase()
  candidates.push(window.length - end.length + KEYWORD_SEARCH.unfinishedFrom(end))
  return text.length - window.length + Math.min(...candidates)
}

/** Finds a set of literal texts. */
export interface LiteralSearch {
  /** Every place that one of them takes, overlapping ones too: hiding only the leftmost of two would show the rest of the other. */
  spans: (text: string) => Span[]
  /** The first position from which the text may be the beginning of one of them; its length when there is none. */
  unfinishedFrom: (text: string) => number
}

export function createLiteralSearch(literals: readonly string[]): LiteralSearch {
  const longest = literals.reduce((length, literal) => Math.max(length, literal.length), 0)
  const byFirstCode = Map.groupBy(literals, (literal) => literal.charCodeAt(0))
  return {
    // One `indexOf` per literal is ten times as fast as one expression with all of them as alternatives.
    spans: (text) => literals.flatMap((literal) => placesOf(text, literal)),
    unfinishedFrom: (text) => {
      for (let from = Math.max(0, text.length - longest + 1); from < text.length; from++) {
        const candidates = byFirstCode.get(text.charCodeAt(from))
        if (candidates === undefined) continue
        const tail = text.slice(from)
        const isBeginning = (literal: string) =>
          literal.length > tail.length && literal.startsWith(tail)
        if (candidates.some(isBeginning)) return from
      }
      return text.length
    },
  }
}

function placesOf(text: string, literal: string): Span[] {
  const spans: Span[] = []
  for (let at = text.indexOf(literal); at !== -1; at = text.indexOf(literal, at + 1)) {
    spans.push({ start: at, end: at + literal.length })
  }
  return spans
}
