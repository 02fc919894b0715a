import { restoreTree, saveTree } from '@berth/archive'
import { openStore } from '@berth/object-store'

// One save or restore in a process of its own, so that a test can end it at any moment.
const [verb, directory = '', url = '', name = ''] = process.argv.slice(2)
const store = await openStore(url, { env: process.env })
const result =
  verb === 'save'
    ? await saveTree({ store, name, directory, level: 'fast' })
    : await restoreTree({ store, name, directory })
await store.close()
process.stdout.write(JSON.stringify(result))
