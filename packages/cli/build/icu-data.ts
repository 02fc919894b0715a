// What Node carries of the world's languages is almost half of what it weighs compressed. Berth speaks English, and reads and writes UTF-8; the rest
// is what a Node that was configured with `--with-intl=small-icu` has not, either. The format is ICU's own (unicode-org.github.io/icu, "ICU data"): a header,
// the number of items, where name and content of each lie counted from there, sorted by name; the contents.

const MAGIC = Buffer.from([0xda, 0x27])
const FORMAT = Buffer.from('CmnD')
const ENTRY = 8

interface Item {
  name: string
  nameAt: number
  start: number
  end: number
}

/** Empties, in place, what is of other languages than English and of old encodings, and answers how many bytes that is. Throws where no data is found. */
export function keepEnglish(executable: Buffer): number {
  const table = findTable(executable)
  const items = readItems(executable, table)
  const kept = items.filter(({ name }) => isKept(name))
  if (kept.length === 0 || kept.length === items.length)
    throw new Error('the data of ICU in this Node is not as expected')
  executable.writeUInt32LE(kept.length, table)
  for (const [index, { nameAt, start }] of kept.entries()) {
    executable.writeUInt32LE(nameAt - table, table + 4 + index * ENTRY)
    executable.writeUInt32LE(start - table, table + 8 + index * ENTRY)
  }
  const dropped = items.filter((item) => !kept.includes(item))
  for (const { start, end } of dropped) executable.fill(0, start, end)
  return dropped.reduce((sum, { start, end }) => sum + end - start, 0)
}

/** Tables of encodings before Unicode, dictionaries of scripts without spaces, scripts turned into others, and the names of characters. */
const REST = /\.(?:cnv|dict)$|\/translit\/|\/(?:unames\.icu|confusables\.cfu)$/

/** Everything else that is not of one language; of those, English, and `root`, from which all begin. */
function isKept(name: string): boolean {
  if (REST.test(name)) return false
  const [, language] = /\/([a-z]{2,3})(?:_[A-Za-z0-9_]+)?\.res$/.exec(name) ?? []
  return language === undefined || language === 'en'
}

/** Where the number of items stands. */
function findTable(executable: Buffer): number {
  for (let at = executable.indexOf(FORMAT); at !== -1; at = executable.indexOf(FORMAT, at + 1)) {
    const header = at - 12
    if (!executable.subarray(header + 2, header + 4).equals(MAGIC)) continue
    return header + executable.readUInt16LE(header)
  }
  throw new Error('this Node has no data of ICU')
}

/** The last item is left out: where it ends is not written. */
function readItems(executable: Buffer, table: number): Item[] {
  const count = executable.readUInt32LE(table)
  const at = (index: number): { nameAt: number; start: number } => ({
    nameAt: table + executable.readUInt32LE(table + 4 + index * ENTRY),
    start: table + executable.readUInt32LE(table + 8 + index * ENTRY),
  })
  return Array.from({ length: count }, (_, index) => {
    const { nameAt, start } = at(index)
    const name = executable.toString('latin1', nameAt, executable.indexOf(0, nameAt))
    return { name, nameAt, start, end: index + 1 < count ? at(index + 1).start : start }
  })
}
