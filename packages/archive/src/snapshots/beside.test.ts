import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { startStubS3 } from '@berth/object-store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { findBeside } from './beside.ts'
import { describeArchives, listSnapshots } from './list-snapshots.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { newDirectory, tick } from '../testing.ts'
import type { Manifest } from '../format/manifest.ts'

const name = 'pods/nodes'

test('a snapshot that a slow pod left beside the history is listed as that, though its name has a place in it', async () => {
  const server = await startStubS3({ conditionalWrites: 'ignored' })
  onTestFinished(() => server.close())
  const store = await openStore(server.url, { env: server.env })
  onTestFinished(() => store.close())
  const base = newDirectory()
  const save = (pod: string, text: string, by: ObjectStore = store) => {
    tick()
    mkdirSync(join(base, pod), { recursive: true })
    writeFileSync(join(base, pod, text), text)
    return saveTree({ store: by, name, directory: join(base, pod), pod })
  }
  await save('quick', 'one')
  await restoreTree({ store, name, directory: join(base, 'slow') })
  // Its manifest is on the way while another pod saves twice; and it dies as soon as that is there.
  const held: ObjectStore['put'] = async (key, body, options) => {
    if (!key.endsWith('.json.zst')) return store.put(key, body, options)
    await save('quick', 'two')
    await save('quick', 'three')
    await store.put(key, body, options)
    throw new Error('the pod is gone')
  }
  const slow = Object.create(store, { put: { value: held } }) as ObjectStore
  await expect(save('slow', 'mine', slow)).rejects.toThrow('the pod is gone')
  const infos = await listSnapshots(store, name)
  const rows = infos.map(({ generation, pod, beside }) => ({ generation, pod, beside }))
  expect(rows.toSorted((a, b) => b.generation - a.generation || (a.pod < b.pod ? -1 : 1))).toEqual([
    { generation: 3, pod: 'quick', beside: false },
    { generation: 2, pod: 'quick', beside: false },
    { generation: 2, pod: 'slow', beside: true },
    { generation: 1, pod: 'quick', beside: false },
  ])
  expect(await describeArchives(store)).toMatchObject([{ snapshots: 3, siblings: 1 }])
})

const reference = (text: string, sibling = false) => ({
  name: text,
  generation: Number(text.slice(0, 8)),
  sibling,
})

test.each([
  {
    what: 'has no place by its name',
    history: ['00000002'],
    siblings: ['00000001~a'],
    ancestors: [],
    beside: ['00000001~a'],
  },
  {
    what: 'was not made into the newest',
    history: ['00000003-c', '00000002-b', '00000001-a'],
    siblings: [],
    ancestors: ['a'],
    beside: ['00000002-b'],
  },
  {
    what: 'has the place of one that was made into the newest',
    history: ['00000003-c', '00000002-a'],
    siblings: ['00000002-b'],
    ancestors: ['b'],
    beside: ['00000002-a'],
  },
  {
    what: 'is a sibling by its name, where that is older than what the newest names',
    history: ['00000009-c', '00000008-b', '00000002-x', '00000001-y'],
    siblings: ['00000001-z'],
    ancestors: ['b'],
    beside: ['00000001-z'],
  },
])('beside the history lies what $what', ({ history, siblings, ancestors, beside }) => {
  const list = {
    history: history.map((text) => reference(text)),
    siblings: siblings.map((text) => reference(text, true)),
  }
  const newest = { id: 'c', ancestors: [...ancestors] } as Partial<Manifest> as Manifest
  expect([...findBeside(list, newest)]).toEqual(beside)
})
