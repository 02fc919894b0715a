/** Whatever names the first directory, or a path below it, shall name the second. Both absolute, without a slash at the end. */
export interface Move {
  from: string
  to: string
}

/** How a text is read by whoever uses it. */
export type TextKind = 'script' | 'shell' | 'settings' | 'data'

export interface Relocation {
  kind: TextKind
  moves: readonly Move[]
  /** Says whether the restored tree has what will be at this path. A Python elsewhere stays where it is. */
  isInTree: (path: string) => boolean
}

/** A path with one of these can't be written into every script without changing what the script means. */
export function isWritable(path: string): boolean {
  // eslint-disable-next-line no-control-regex
  return !/["'`$\\\u0000-\u001f\u007f]/.test(path)
}

/** The text with every whole mention of an old directory replaced; the same text when there is none, or when it is a program. */
export function relocateText(text: string, relocation: Relocation): string {
  const { kind, moves } = relocation
  if (moves.length === 0 || text.includes('\0')) return text
  const mentions = createMentions(moves)
  if (kind === 'settings') return relocateSettings(text, mentions, relocation)
  if (kind === 'shell') return text.replaceAll(/.+/g, (line) => relocateShellLine(line, mentions))
  if (kind === 'script') return relocateScript(text, mentions)
  return mentions.replace(text)
}

interface Mentions {
  replace: (text: string) => string
  /** Each with what is before it, for whoever must quote it. */
  replaceWith: (text: string, write: (to: string, before: string) => string) => string
}

// A path is whole where nothing before or after it could be part of it. Not `/`: `/old` is not the end of `/mnt/old`.
const BEFORE = String.raw`(?<=^|[\s"'\x60=:;,(\[{<>!|&@#])`
const AFTER = String.raw`(?=$|[/\s"'\x60:;,)\]}<>|&?#\\])`

function createMentions(moves: readonly Move[]): Mentions {
  const plain = new Map(moves.map(({ from, to }) => [toLatin(from), toLatin(to)]))
  const quoted = new Map(moves.map(({ from, to }) => [quoteForUrl(from), quoteForUrl(to)]))
  // The longest first: a venv may have moved within its tree.
  const expression = (before: string, paths: Iterable<string>) => {
    const ordered = [...paths].toSorted((a, b) => b.length - a.length)
    return new RegExp(`${before}(?:${ordered.map(escape).join('|')})${AFTER}`, 'g')
  }
  const inUrl = expression(String.raw`(?<=\bfile://(?:localhost)?)`, quoted.keys())
  const inText = expression(BEFORE, plain.keys())
  const replaceWith: Mentions['replaceWith'] = (text, write) =>
    text
      .replace(inUrl, (found) => quoted.get(found) ?? found)
      .replace(inText, (found, at: number, whole: string) =>
        write(plain.get(found) ?? found, whole.slice(0, at)),
      )
  return { replaceWith, replace: (text) => replaceWith(text, (to) => to) }
}

// The settings of pyvenv.cfg that name the Python which the venv was made with.
const OF_PYTHON = /^(?:home|executable|base-[a-z-]+)\s*=\s*(.*?)\s*$/

function relocateSettings(text: string, mentions: Mentions, { isInTree }: Relocation): string {
  return text.replaceAll(/.+/g, (line) => {
    const replaced = mentions.replace(line)
    const python = OF_PYTHON.exec(replaced)?.[1]
    return python === undefined || isInTree(fromLatin(python)) ? replaced : line
  })
}

// What a shell would split or expand.
const SPECIAL = /[\s;&|<>()*?#~[\]{}!]/

function relocateShellLine(line: string, mentions: Mentions): string {
  return mentions.replaceWith(line, (to, before) =>
    SPECIAL.test(to) && !isWithinQuotes(before) ? `'${to}'` : to,
  )
}

function isWithinQuotes(before: string): boolean {
  let open = ''
  for (const character of before) {
    if (open === '' && (character === '"' || character === "'")) open = character
    else if (character === open) open = ''
  }
  return open !== ''
}

/**
 * The longest first line that every kernel reads as an interpreter: Linux before 5.1 and gVisor cut it here, later ones at 255
 * (BINPRM_BUF_SIZE in linux/binfmts.h).
 */
const LONGEST_FIRST_LINE = 127

function relocateScript(text: string, mentions: Mentions): string {
  const [first = ''] = text.split('\n', 1)
  const rest = text.slice(first.length)
  return relocateFirstLine(first, mentions) + relocateRest(first, rest, mentions)
}

/** A line that the kernel would cut or split goes through the shell, in the form that pip writes for long paths. */
function relocateFirstLine(line: string, mentions: Mentions): string {
  const parts = /^#!\s*(\/\S*)(?:[ \t]+(\S.*?))?\s*$/.exec(line)
  if (parts === null) return mentions.replace(line)
  const [, interpreter = '', argument] = parts
  const moved = mentions.replace(interpreter)
  if (moved === interpreter) return mentions.replace(line)
  const tail = argument === undefined ? '' : ` ${mentions.replace(argument)}`
  const direct = `#!${moved}${tail}`
  // The trick is one of Python's syntax: its strings begin with three quotes, for a shell two of them are nothing.
  const isPython = /\/(?:python|pypy)[\w.]*$/.test(moved)
  if (!isPython || (direct.length <= LONGEST_FIRST_LINE && !/\s/.test(moved))) return direct
  return `#!/bin/sh\n'''exec' "${moved}"${tail} "$0" "$@"\n' '''`
}

function relocateRest(first: string, rest: string, mentions: Mentions): string {
  const bare = /^(\n'''exec' )(\/\S+)( .*)/.exec(rest)
  if (!/^#!\s*\/bin\/sh\s*$/.test(first) || bare === null) return mentions.replace(rest)
  const [line = '', start = '', path = '', end = ''] = bare
  const moved = mentions.replace(path)
  const shown = SPECIAL.test(moved) ? `"${moved}"` : moved
  return start + shown + end + mentions.replace(rest.slice(line.length))
}

/** One character a byte, so that text of any encoding comes back as it was. */
function toLatin(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function fromLatin(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** As Python's `pathname2url` writes a path. */
function quoteForUrl(path: string): string {
  return path
    .split('/')
    .map((part) =>
      encodeURIComponent(part.toWellFormed()).replaceAll(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join('/')
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
