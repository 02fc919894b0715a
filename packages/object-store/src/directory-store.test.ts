import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from './open-store.ts'
import { testObjectStore } from './testing.ts'

testObjectStore('a directory', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'berth-store-'))
  return {
    store: await openStore(`file://${parent}/made/by/the/first put`, { env: {} }),
    close: () => rm(parent, { recursive: true }),
  }
})
