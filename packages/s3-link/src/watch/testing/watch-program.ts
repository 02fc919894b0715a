import { openFileStore } from '@berth/object-store'
import { openWatch } from '../watch.ts'

/** Watches a folder in a process of its own; on SIGTERM it drains, prints what it reports, and ends. */
const { url, env, ...settings } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string
  env: Record<string, string>
  folder: string
  prefix: string
  state: string
}
const store = await openFileStore(url, { env, patience: { attempts: 2 } })
const watch = await openWatch({ ...settings, store })
process.once('SIGTERM', () => void end())
process.stdout.write('watching\n')

async function end(): Promise<void> {
  const report = await watch.drain(20_000)
  const status = watch.status()
  await watch.close()
  await store.close()
  process.stdout.write(JSON.stringify({ report, conflicts: status.conflicts, status }))
  process.exit()
}
