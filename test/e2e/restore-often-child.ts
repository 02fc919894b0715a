import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { restoreTree } from '@berth/archive'
import { openStore } from '@berth/object-store'
import { listTree } from '../demo/listing.ts'

// Restores an archive again and again into an empty place; says of each tree what it was, times included, in one line.
const [parent = '', name = '', times = '', url = ''] = process.argv.slice(2)
const store = await openStore(url, { env: process.env })
for (let time = 0; time < Number(times); time += 1) {
  await restoreTree({ store, name, directory: path.join(parent, 'tree') })
  const entries = [...listTree(parent, ['tree'])].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify(entries, (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  process.stdout.write(`${entries.length} ${createHash('sha256').update(text).digest('hex')}\n`)
  fs.rmSync(parent, { recursive: true })
}
await store.close()
