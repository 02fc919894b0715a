import type { Cost } from './measure.ts'
import type { Sample } from './run.ts'
import type { Traffic } from './server.ts'

/** One round: what the command cost, and what the server did meanwhile. */
export function sampleOf(cost: Cost, traffic: Traffic): Sample {
  const { wallSeconds, cpuSeconds, peakBytes } = cost
  const { requests, bytes, cpuSeconds: serverCpuSeconds } = traffic
  const puts = requests.filter(({ method }) => method === 'PUT').length
  const count = requests.length
  return { wallSeconds, cpuSeconds, peakBytes, requests: count, puts, bytes, serverCpuSeconds }
}
