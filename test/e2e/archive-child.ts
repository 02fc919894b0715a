import { pruneStore, repairArchive, restoreTree, saveTree } from '@berth/archive'
import { openStore } from '@berth/object-store'

// One verb in a process of its own, so that a test can end it at any moment.
const [verb, directory = '', name = '', url = ''] = process.argv.slice(2)
const store = await openStore(url, { env: process.env })
const verbs: Record<string, () => Promise<object>> = {
  save: () => saveTree({ store, name, directory, level: 'fast' }),
  compact: () =>
    saveTree({ store, name, directory, compact: { leastDeadBytes: 1, smallGroups: 1 } }),
  restore: () => restoreTree({ store, name, directory }),
  // Nobody else saves meanwhile: what is of no use may go at once.
  prune: () => pruneStore({ store, graceMs: 0, retention: { keepLast: 1, keepDaily: 0 } }),
  repair: () => repairArchive({ store, name, directories: [directory] }),
}
const result = await verbs[verb ?? '']?.()
await store.close()
const peakBytes = process.resourceUsage().maxRSS * 1024
process.stdout.write(JSON.stringify({ ...result, peakBytes }))
