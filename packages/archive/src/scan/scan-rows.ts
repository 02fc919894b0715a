/** What a scan keeps of each file, as doubles in a row: the order of the columns. */
export const ROW = { size: 0, mtime: 1, ctime: 2, mode: 3, uid: 4, gid: 5, sparse: 6, width: 7 }

const FIRST_ROWS = 256

/** Rows that grow: one object for a file would take most of the time of a scan. */
export class FileRows {
  values: Float64Array<ArrayBuffer>
  count = 0

  constructor(values = new Float64Array(FIRST_ROWS * ROW.width)) {
    this.values = values
  }

  /** Makes room for one more row and answers where it begins. */
  add(): number {
    const start = this.count * ROW.width
    if (start === this.values.length) {
      const larger = new Float64Array(this.values.length * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.count++
    return start
  }
}
