import type { LineCounter } from 'yaml'
import { BerthError, type Position } from '../error.ts'
import { excerpt } from '../command/excerpt.ts'

/** The text that nodes and problems point into. */
export interface RecipeSource {
  file: string
  text: string
  lines: LineCounter
  /** How the recipe that is read came to this file; undefined for itself. */
  origin?: SourceOrigin | undefined
}

export interface SourceOrigin {
  word: 'extended' | 'used'
  /** What names the file. */
  span: Span
}

/** A stretch of a source, in UTF-16 code units. */
export interface Span {
  source: RecipeSource
  start: number
  end: number
}

/** A parsed recipe with its places kept. An alias shares the node of its anchor, so its place is the anchor's. */
export type RecipeNode = MapNode | ListNode | ScalarNode

export interface MapNode extends Span {
  kind: 'map'
  /** How many nodes it stands for once its aliases are written out. */
  size: number
  entries: Map<string, MapEntry>
}

export interface MapEntry {
  key: Span
  node: RecipeNode
  /** What stood here in the recipe below. */
  overrides?: MapEntry
}

export interface ListNode extends Span {
  kind: 'list'
  size: number
  items: RecipeNode[]
}

export interface ScalarNode extends Span {
  kind: 'scalar'
  size: 1
  value: string | number | boolean | null
  style: 'plain' | 'single' | 'double' | 'block'
}

export type Path = readonly PropertyKey[]

/** The node at a path, or undefined where there is none. */
export function nodeAt(root: RecipeNode | undefined, path: Path): RecipeNode | undefined {
  let node = root
  for (const key of path) {
    node = childOf(node, key)
  }
  return node
}

/** Where a path was written: its value, or the key of the nearest map or list that it is missing from. */
export function placeAt(root: RecipeNode, path: Path): Span {
  const exact = nodeAt(root, path)
  if (exact || path.length === 0) {
    return exact ?? root
  }
  const parent = path.slice(0, -1)
  const written = nodeAt(root, parent)
  if (!written) {
    return placeAt(root, parent)
  }
  return typeof parent.at(-1) === 'string' ? keySpan(root, parent) : written
}

function childOf(node: RecipeNode | undefined, key: PropertyKey): RecipeNode | undefined {
  if (node?.kind === 'map') {
    return node.entries.get(String(key))?.node
  }
  return node?.kind === 'list' ? node.items[Number(key)] : undefined
}

/** Where the key at the end of a path was written, else the nearest place. */
export function keySpan(root: RecipeNode, path: Path): Span {
  const parent = nodeAt(root, path.slice(0, -1))
  const entry = parent?.kind === 'map' ? parent.entries.get(String(path.at(-1))) : undefined
  return entry?.key ?? placeAt(root, path)
}

/** The text at a path, or undefined where there is no text. */
export function textAt(root: RecipeNode | undefined, path: Path): string | undefined {
  const node = nodeAt(root, path)
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined
}

/** The node as plain data, aliases written out. */
export function plainValue(node: RecipeNode): unknown {
  if (node.kind === 'scalar') {
    return node.value
  }
  if (node.kind === 'list') {
    return node.items.map(plainValue)
  }
  const value: Record<string, unknown> = {}
  for (const [key, entry] of node.entries) {
    // Plain assignment to `__proto__` would set the prototype and lose the key.
    Object.defineProperty(value, key, {
      value: plainValue(entry.node),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return value
}

const spans = new WeakMap<Position, Span>()

/** The position of a span's beginning. `excerptAt` can show it later. */
export function positionOf(span: Span): Position {
  const { line, col } = span.source.lines.linePos(span.start)
  const position: Position = { file: span.source.file, line, column: col }
  spans.set(position, span)
  return position
}

/**
 * The source line with a caret for a position that `positionOf` made, and how the recipe came to that file; undefined for any other
 * position.
 */
export function excerptAt(position: Position): string | undefined {
  const span = spans.get(position)
  if (span === undefined) return undefined
  const line = excerpt(span.source.text, { ...position, length: span.end - span.start })
  const margin = ' '.repeat(String(position.line).length)
  return [line, ...wayTo(span.source).map((step) => `${margin} | ${step}`)].join('\n')
}

/** From the file to the recipe: `extended by pod.yaml:1:10`. */
function wayTo({ origin }: RecipeSource): string[] {
  if (origin === undefined) return []
  const { word, span } = origin
  const { line, col } = span.source.lines.linePos(span.start)
  return [`${word} by ${span.source.file}:${line}:${col}`, ...wayTo(span.source)]
}

/** What was written at a position that `positionOf` made. */
export function writtenAt(position: Position): string | undefined {
  const span = spans.get(position)
  return span?.source.text.slice(span.start, span.end)
}

/** One mistake in a recipe, with its place and the line that holds it. */
export function problem(
  code: string,
  message: string,
  place: Span | Position,
  hint?: string,
): BerthError {
  const at = 'line' in place ? place : positionOf(place)
  const line = excerptAt(at)
  return new BerthError(code, message, {
    at,
    ...(line === undefined ? {} : { excerpt: line }),
    ...(hint === undefined ? {} : { hint }),
  })
}
