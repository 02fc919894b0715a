import { setTimeout as sleep } from 'node:timers/promises'
import { openFileStore } from '@berth/object-store'
import { openWatch } from '@berth/s3-link/watch'

/** Watches a folder until so many files are proven to be in S3, or until SIGTERM where no number is given. */
const [folder = '', url = '', prefix = '', state = '', wanted = ''] = process.argv.slice(2)
const env = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  ),
)
const store = await openFileStore(url, { env })
const watch = await openWatch({ folder, store, prefix, state })
let isEnding = false
process.once('SIGTERM', () => (isEnding = true))
while (!isEnding) {
  await sleep(50)
  if (wanted === '') continue
  const { proven, reason } = watch.status()
  if (proven.files >= Number(wanted)) break
  if (reason !== undefined) process.stderr.write(`${reason.message}\n`)
}
await watch.close()
await store.close()
