const DOT = 46

/** Many names in one string, joined by `/`: they are compared where they stand, and cut out only when one is asked for. */
export class NameList {
  readonly text: string
  /** Where each name ends. */
  readonly ends: Int32Array

  /** Of so many names, or with the ends that another list found. Throws a RangeError when the text doesn't hold this many names. */
  constructor(text: string, names: number | Int32Array) {
    this.text = text
    this.ends = typeof names === 'number' ? findEnds(text, names) : names
  }

  get length(): number {
    return this.ends.length
  }

  at(index: number): string {
    return this.text.slice(this.startOf(index), this.ends[index])
  }

  toArray(): string[] {
    return this.length === 0 ? [] : this.text.split('/')
  }

  /** Whether a name is none that a directory could hold: empty, `.` or `..`. */
  isReserved(index: number): boolean {
    const start = this.startOf(index)
    const length = (this.ends[index] as number) - start
    if (length > 2) return false
    for (let at = start; at < start + length; at++)
      if (this.text.charCodeAt(at) !== DOT) return false
    return true
  }

  /** Whether a name comes before the one behind it, by code units. */
  isBeforeNext(index: number): boolean {
    const { text } = this
    const end = this.ends[index] as number
    const nextEnd = this.ends[index + 1] as number
    let a = this.startOf(index)
    let b = end + 1
    while (a < end && b < nextEnd) {
      const difference = text.charCodeAt(a) - text.charCodeAt(b)
      if (difference !== 0) return difference < 0
      a++
      b++
    }
    return a === end && b < nextEnd
  }

  /** Less than 0 where a name comes before the other one, by code units, more where it comes behind it. */
  compareWith(index: number, name: string): number {
    const { text } = this
    const start = this.startOf(index)
    const length = (this.ends[index] as number) - start
    const common = Math.min(length, name.length)
    for (let at = 0; at < common; at++) {
      const difference = text.charCodeAt(start + at) - name.charCodeAt(at)
      if (difference !== 0) return difference
    }
    return length - name.length
  }

  private startOf(index: number): number {
    return index === 0 ? 0 : (this.ends[index - 1] as number) + 1
  }
}

function findEnds(text: string, count: number): Int32Array {
  const ends = new Int32Array(count)
  if (count === 0 && text === '') return ends
  let found = 0
  for (let at = text.indexOf('/'); at >= 0 && found < count; at = text.indexOf('/', at + 1))
    ends[found++] = at
  if (found !== count - 1) throw new RangeError(`there are not the names of ${count} entries`)
  ends[found] = text.length
  return ends
}
