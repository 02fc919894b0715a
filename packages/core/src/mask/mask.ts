import type { NewEvent } from '../event.ts'
import { literalPatterns, SHORTEST_SECRET } from './mask-patterns.ts'
import {
  beforeContexts,
  createLiteralSearch,
  type LiteralSearch,
  mergeSpans,
  ruleSpans,
  type Span,
  unfinishedRuleFrom,
} from './mask-spans.ts'
import { createLineSearch } from './mask-wrapped.ts'

const HIDDEN = '[secret]'

/** Parts of an event that the program reads; a secret that happens to be the word `failed` must not change them. */
const STRUCTURE = new Set(['type', 'time', 'step', 'of', 'phase', 'result', 'level', 'pipeline'])

/** Environment variables that hold credentials, whether a recipe declares them or not. */
const CREDENTIAL_NAME =
  /(^|_)(TOKEN|SECRET|SECRET_KEY|SECRET_ACCESS_KEY|ACCESS_KEY|[A-Z]*PASSWORD|PASSPHRASE|API_KEY|PRIVATE_KEY|SSE_C_KEY)$/i

export interface MaskStream {
  /** What may be shown of the text so far. A tail that could be the beginning of a secret is held until more comes. */
  write: (chunk: string) => string
  /** The rest. */
  end: () => string
}

export interface Mask {
  text: (text: string) => string
  /** Every text within a value, the keys of maps too. */
  value: <Value>(value: Value) => Value
  event: <Event extends NewEvent>(event: Event) => Event
  stream: () => MaskStream
  /** A whole line that has passed a stream: what may be broken into lines is hidden in each. */
  line: (line: string) => string
  /** Names of values under 6 characters: they occur in ordinary text, so they are not hidden. */
  unmaskable: string[]
}

/**
 * Hides secrets in everything that is shown: the values by name, in the encodings that they usually take (each long line, base64 at any
 * offset, base64url, URI, JSON, shell quotes, hex), and without registration presigned signatures, `Authorization` headers and a
 * URL's user and password. What a program derives from a secret in other ways is not recognised.
 */
export function createMask(values: Readonly<Record<string, string>>): Mask {
  const entries = Object.entries(values).filter(([, value]) => value.trim() !== '')
  const isLongEnough = (value: string) => value.trim().length >= SHORTEST_SECRET
  const hidable = entries.map(([, value]) => value).filter(isLongEnough)
  const search = createLiteralSearch(literalPatterns(hidable))
  const line = createLineSearch(hidable, HIDDEN)
  const finder: LiteralSearch = {
    spans: (part) => [...search.spans(part), ...ruleSpans(part)],
    unfinishedFrom: (part) => Math.min(search.unfinishedFrom(part), unfinishedRuleFrom(part)),
  }
  const text = (whole: string) => {
    const shown = hide(whole, mergeSpans(finder.spans(whole)))
    return shown.includes('\n') ? shown.split('\n').map(line).join('\n') : line(shown)
  }
  return {
    text,
    value: (value) => maskValue(value, text) as typeof value,
    event: (event) => maskEvent(event, text),
    stream: () => createMaskStream(finder),
    line,
    unmaskable: entries.filter(([, value]) => !isLongEnough(value)).map(([name]) => name),
  }
}

/** The variables of an environment that hold credentials by their name, and whose value is long enough to be one. */
export function credentialVariables(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const isCredential = ([name, value]: [string, string | undefined]) =>
    CREDENTIAL_NAME.test(name) && (value ?? '').trim().length >= SHORTEST_SECRET
  return Object.fromEntries(Object.entries(env).filter(isCredential)) as Record<string, string>
}

function hide(text: string, spans: readonly Span[]): string {
  let shown = ''
  let at = 0
  for (const { start, end } of spans) {
    shown += text.slice(at, start) + HIDDEN
    at = end
  }
  return shown + text.slice(at)
}

function createMaskStream(finder: LiteralSearch): MaskStream {
  let held = ''
  /** How much of the beginning of `held` belongs to a secret whose `[secret]` has been shown already. */
  let hidden = 0
  const pass = (text: string, limit: number) => {
    const found = finder.spans(text)
    const until = beforeContexts(limit, found)
    const spans = mergeSpans([{ start: 0, end: hidden }, ...found])
    let shown = ''
    let at = 0
    for (const { start, end } of spans) {
      if (start >= until) break
      shown += text.slice(at, start) + (start === 0 && hidden > 0 ? '' : end > start ? HIDDEN : '')
      at = end
    }
    if (at < until) shown += text.slice(at, until)
    held = text.slice(until)
    hidden = Math.max(0, Math.max(at, hidden) - until)
    return shown
  }
  return {
    write: (chunk) => {
      const text = held + chunk
      return pass(text, finder.unfinishedFrom(text))
    },
    end: () => pass(held, held.length),
  }
}

function maskEvent<Event extends NewEvent>(event: Event, mask: (text: string) => string): Event {
  const entries = Object.entries(event).map(([key, value]) => {
    if (STRUCTURE.has(key)) return [key, value]
    if (key === 'steps') return [key, maskNames(value as { name: string }[], mask)]
    return [key, maskValue(value, mask)]
  })
  return Object.fromEntries(entries) as Event
}

function maskNames(steps: { name: string }[], mask: (text: string) => string): unknown {
  return steps.map((step) => ({ ...step, name: mask(step.name) }))
}

function maskValue(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === 'string') return mask(value)
  if (Array.isArray(value)) return value.map((item) => maskValue(item, mask))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [mask(key), maskValue(item, mask)])
  return Object.fromEntries(entries)
}
