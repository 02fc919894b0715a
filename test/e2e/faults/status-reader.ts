import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPlaces, readStatuses } from '@berth/s3-link/links'

// Reads the status of each pod below a folder again and again in a warm process, until SIGTERM, and says how long each read took.
const [folder = ''] = process.argv.slice(2)
const times: number[] = []
let isOver = false
process.on('SIGTERM', () => (isOver = true))
while (!isOver) {
  const links = readdirSync(folder).map((name) => `${folder}/${name}/link`)
  for (const link of links.filter((path) => existsSync(path))) {
    const startedAt = performance.now()
    await readStatuses(findPlaces({ BERTH_LINK_DIR: link }))
    times.push(performance.now() - startedAt)
  }
  await sleep(100)
}
times.sort((one, other) => one - other)
const at = (share: number) => Math.round(times[Math.floor((times.length - 1) * share)] ?? 0)
process.stdout.write(
  JSON.stringify({
    reads: times.length,
    p95: at(0.95),
    late: times.filter((ms) => ms > 200).length,
    longest: at(1),
  }),
)
