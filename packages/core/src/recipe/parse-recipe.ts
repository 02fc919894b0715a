import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import type { BerthError } from '../error.ts'
import {
  problem,
  type MapEntry,
  type RecipeNode,
  type RecipeSource,
  type ScalarNode,
  type SourceOrigin,
} from './recipe-node.ts'
import { suggest } from '../suggest.ts'

// Far above any recipe. Ten aliases of ten aliases, nine times over, would stand for a thousand million nodes.
const mostNodes = 50_000
const mostCharacters = 1_048_576

export interface ParsedRecipe {
  source: RecipeSource
  /** Absent when the text isn't YAML, or is empty. */
  root: RecipeNode | undefined
  problems: BerthError[]
}

/**
 * Reads recipe text as YAML 1.2 into nodes that keep their places. Nothing is coerced: `0644` is the number 644 and `yes` is text.
 * Anchors and merge keys are resolved; tags, other YAML versions and duplicate keys are problems. Never throws for what the
 * text holds.
 */
export function parseRecipe(text: string, file: string, origin?: SourceOrigin): ParsedRecipe {
  const lines = new LineCounter()
  const source: RecipeSource = { file, text, lines, origin }
  if (text.length > mostCharacters) {
    const place = { source, start: 0, end: 1 }
    const message = `the recipe has ${text.length} characters, more than ${mostCharacters}`
    return { source, root: undefined, problems: [problem('recipe/too-large', message, place)] }
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    stringKeys: true,
    resolveKnownTags: false,
  })
  const problems = documentProblems(document, source)
  if (document.contents === null || problems.some(({ code }) => code === 'recipe/syntax')) {
    return { source, root: undefined, problems }
  }
  const tags = new Map(document.warnings.map(({ pos }) => [pos[1], pos[0]]))
  const reader: Reader = { source, problems, tags, anchors: new Map(), tooLarge: false }
  const root = readNode(document.contents, reader)
  return { source, root: reader.tooLarge ? undefined : root, problems }
}

function documentProblems(document: Document.Parsed, source: RecipeSource): BerthError[] {
  const problems: BerthError[] = []
  for (const error of document.errors) {
    const span = { source, start: error.pos[0], end: error.pos[0] + 1 }
    if (error.code === 'DUPLICATE_KEY') {
      const key = /^[^\s:]+/.exec(source.text.slice(span.start))?.[0] ?? ''
      const message = `the key \`${key}\` is written twice`
      span.end = span.start + key.length
      problems.push(problem('recipe/duplicate-key', message, span, 'remove or rename one of them'))
    } else if (error.code === 'MULTIPLE_DOCS') {
      const message = 'the file holds several YAML documents'
      problems.push(problem('recipe/syntax', message, span, 'make a file of each'))
    } else if (/^Missing closing ['"]/.test(error.message)) {
      const start = openQuote(document, error.pos[0])
      const message = 'the recipe is not YAML: this quote is not closed'
      problems.push(
        problem('recipe/syntax', message, { source, start, end: start + 1 }, closeQuoteHint),
      )
    } else if (!problems.some(({ code }) => code === 'recipe/syntax')) {
      // One slip makes the parser stumble several times; only the first is the user's.
      const message = `the recipe is not YAML: ${lowerFirst(error.message)}`
      problems.push(problem('recipe/syntax', message, span, syntaxHint(error.code, span)))
    }
  }
  for (const { code, message, pos } of document.warnings) {
    const span = { source, start: pos[0], end: pos[1] }
    const tag = source.text.slice(pos[0], pos[1])
    problems.push(
      code === 'TAG_RESOLVE_FAILED'
        ? problem('recipe/tag', `the YAML tag \`${tag}\` means nothing here`, span, tagHint)
        : problem('recipe/syntax', lowerFirst(message), span),
    )
  }
  const { explicit, version } = document.directives.yaml
  if (explicit && version !== '1.2') {
    const span = { source, start: 0, end: 1 }
    const message = `a recipe is YAML 1.2, not ${version}`
    problems.push(problem('recipe/syntax', message, span, 'remove the `%YAML` line'))
  }
  return problems
}

const tagHint = 'a plain value cannot begin with `!`: put it in quotes'

const closeQuoteHint = 'close it at the end of the value'

/** The parser finds out at the end of the text, far from where it began. */
function openQuote(document: Document.Parsed, missingAt: number): number {
  let start = missingAt
  visit(document, {
    Scalar: (_key, { range }) => {
      if (range && range[0] < missingAt && range[1] >= missingAt) start = range[0]
    },
  })
  return start
}

function syntaxHint(code: string, span: { source: RecipeSource; start: number }): string {
  const { line } = span.source.lines.linePos(span.start)
  const around = span.source.text
    .split('\n')
    .slice(Math.max(0, line - 2), line)
    .join('\n')
  if (code === 'TAB_AS_INDENT') {
    return 'indent with spaces'
  }
  if (/[{[,]\s*[^'"]*\$\{\{/.test(around)) {
    return 'put an expression inside `{ }` or `[ ]` in quotes: "${{ … }}"'
  }
  if (code === 'BLOCK_AS_IMPLICIT_KEY' || code === 'BAD_SCALAR_START') {
    return 'put the value in quotes'
  }
  return 'check the indentation, and quotes and brackets that were opened but not closed'
}

interface Reader {
  source: RecipeSource
  problems: BerthError[]
  /** Where tags that mean nothing end, and where they begin. */
  tags: ReadonlyMap<number, number>
  /** Anchors read so far; null while its own node is still being read. */
  anchors: Map<string, RecipeNode | null>
  tooLarge: boolean
}

function readNode(node: Node | null, reader: Reader): RecipeNode {
  if (isAlias(node)) {
    return readAlias(node, reader)
  }
  const anchor = node && 'anchor' in node ? node.anchor : undefined
  if (anchor !== undefined) {
    reader.anchors.set(anchor, null)
  }
  const read = limited(readContent(node, reader), reader)
  if (anchor !== undefined) {
    reader.anchors.set(anchor, read)
  }
  return read
}

function readContent(node: Node | null, reader: Reader): RecipeNode {
  const span = spanOf(node, reader)
  if (isSeq(node)) {
    const items = node.items.map((item) => readNode(item as Node | null, reader))
    return { ...span, kind: 'list', items, size: sizeOf(items) }
  }
  if (isMap(node)) {
    const entries = readEntries(node, reader)
    const size = sizeOf([...entries.values()].map((entry) => entry.node))
    return { ...span, kind: 'map', entries, size }
  }
  const value = isScalar(node) ? scalarValue(node, reader) : null
  return { ...span, kind: 'scalar', size: 1, value, style: styleOf(node) }
}

function readAlias(node: Node & { source: string }, reader: Reader): RecipeNode {
  const target = reader.anchors.get(node.source)
  if (target) {
    return target
  }
  const span = spanOf(node, reader)
  const message =
    target === null
      ? `the alias \`*${node.source}\` stands inside its own anchor`
      : `the alias \`*${node.source}\` has no anchor \`&${node.source}\` before it`
  const best = suggest(node.source, reader.anchors.keys())
  const hint = target === undefined && best !== undefined ? `did you mean \`*${best}\`?` : undefined
  reader.problems.push(problem('recipe/bad-alias', message, span, hint))
  return { ...span, kind: 'scalar', size: 1, value: null, style: 'plain' }
}

function readEntries(map: YAMLMap, reader: Reader): Map<string, MapEntry> {
  const entries = new Map<string, MapEntry>()
  const merged: MapEntry[] = []
  for (const pair of map.items as Pair<Node, Node | null>[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : ''
    const entry = { key: spanOf(pair.key, reader), node: readNode(pair.value, reader) }
    if (key === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') {
      merged.push(entry)
    } else if (!entries.has(key)) {
      entries.set(key, entry)
    }
  }
  for (const entry of merged) {
    mergeEntries(entries, entry, reader)
  }
  return entries
}

/** A merge key adds what its map or list of maps has and the map itself has not. */
function mergeEntries(entries: Map<string, MapEntry>, merge: MapEntry, reader: Reader): void {
  const sources = merge.node.kind === 'list' ? merge.node.items : [merge.node]
  for (const source of sources) {
    if (source.kind !== 'map') {
      const message = 'a merge key `<<` takes a map or a list of maps'
      reader.problems.push(problem('recipe/bad-alias', message, merge.key))
      continue
    }
    for (const [key, entry] of source.entries) {
      if (!entries.has(key)) {
        entries.set(key, entry)
      }
    }
  }
}

/** Replaces a node that would be too large with its aliases written out. */
function limited(node: RecipeNode, reader: Reader): RecipeNode {
  if (node.size <= mostNodes) {
    return node
  }
  if (!reader.tooLarge) {
    reader.tooLarge = true
    const message = `the recipe stands for more than ${mostNodes} values when its aliases are written out`
    reader.problems.push(problem('recipe/too-large', message, node, 'use fewer nested aliases'))
  }
  const { source, start, end } = node
  return { source, start, end, kind: 'scalar', size: 1, value: null, style: 'plain' }
}

function sizeOf(nodes: RecipeNode[]): number {
  return nodes.reduce((total, node) => total + node.size, 1)
}

function scalarValue(node: Scalar, { source, tags }: Reader): ScalarNode['value'] {
  const { value, range } = node
  const tagStart = tags.get(range?.[0] ?? -1)
  if (tagStart !== undefined) {
    // `if: !cancelled()` was meant as text; reading it so keeps one mistake from looking like three.
    return source.text.slice(tagStart, range?.[1])
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : null
}

function styleOf(node: Node | null): ScalarNode['style'] {
  switch (isScalar(node) ? node.type : undefined) {
    case 'BLOCK_LITERAL':
    case 'BLOCK_FOLDED':
      return 'block'
    case 'QUOTE_DOUBLE':
      return 'double'
    case 'QUOTE_SINGLE':
      return 'single'
    default:
      return 'plain'
  }
}

function spanOf(
  node: Node | null,
  reader: Reader,
): { source: RecipeSource; start: number; end: number } {
  const [start, end] = node?.range ?? [0, 0]
  return { source: reader.source, start, end: Math.max(end, start + 1) }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
