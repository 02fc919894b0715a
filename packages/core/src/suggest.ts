/**
 * The candidate that was probably meant by a misspelt word, or undefined when none is near: at most a third of the word's letters
 * differ, or it is the only one that begins with the word. Letter case, and `_` for `-`, count as nothing.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(word)
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best ?? onlyLonger(wanted, candidates)
}

/** The cure for an unknown word: the one that was probably meant, else all that there are. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const known = [...candidates]
  const best = suggest(word, known)
  if (best !== undefined) {
    return `did you mean \`${best}\`?`
  }
  if (known.length === 0) {
    return 'there is none to choose from'
  }
  return known.length === 1
    ? `use \`${known[0]}\``
    : `use one of ${known.map((name) => `\`${name}\``).join(', ')}`
}

/** The one candidate that the word is a beginning of: `vol` for `volume`. */
function onlyLonger(wanted: string, candidates: Iterable<string>): string | undefined {
  const longer = [...candidates].filter((candidate) => plain(candidate).startsWith(wanted))
  return wanted !== '' && longer.length === 1 ? longer[0] : undefined
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll('_', '-')
}

/** Optimal string alignment: a swap of neighbours, the commonest typo, counts as one edit. Gives up at `limit`. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) {
    return limit
  }
  let beforePrevious: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1]
      let cost = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      )
      if (left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        cost = Math.min(cost, at(beforePrevious, column - 2) + 1)
      }
      current.push(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, right.length)
}

function at(row: number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
