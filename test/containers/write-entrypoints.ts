// Lives one app under Berth and under three entrypoints of the field's shape, and writes what became of it into the page.
import { compareEntrypoints } from './compare-entrypoints.ts'
import { Engine } from './engine.ts'
import { withTable, page } from './entrypoints-page.ts'
import * as fs from 'node:fs'
import { buildPlain } from './scene.ts'

const engine = new Engine()
try {
  await buildPlain(engine)
  const table = await compareEntrypoints(engine)
  fs.writeFileSync(page, withTable(fs.readFileSync(page, 'utf8'), table))
  process.stdout.write(table)
} finally {
  engine.close()
}
