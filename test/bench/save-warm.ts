// Saves a tree again and again in one process, once for each line that it reads, and answers each with the seconds that it took: what a
// save costs in a supervisor that has been running for a while. Arguments: directory, store, name.
import { createInterface } from 'node:readline'
import { saveTree } from '@berth/archive'
import { openStore } from '@berth/object-store'

const [directory = '', url = '', name = ''] = process.argv.slice(2)
const store = await openStore(url, { env: process.env })
const lines = createInterface({ input: process.stdin })
for await (const _line of lines) {
  const cpu = process.cpuUsage()
  const began = performance.now()
  const { result } = await saveTree({ directory, store, name })
  const wallSeconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const peakBytes = process.resourceUsage().maxRSS * 1024
  console.log(JSON.stringify({ result, wallSeconds, cpuSeconds: (user + system) / 1e6, peakBytes }))
}
