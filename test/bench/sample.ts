import type { Cost } from './measure.ts'
import type { Sample } from './run.ts'
import type { Traffic } from './server.ts'

/** One round: what the command cost, and what the server did meanwhile. */
export function sampleOf(cost: Cost, traffic: Traffic): Sample {
  const { wallSeconds, cpuSeconds, peakBytes } = cost
  const { requests, bytes, cpuSeconds: serverCpuSeconds } = traffic
  const puts = requests.filter(({ method }) => method === 'PUT').length
  // Ticks are hundredths of a second, so a short command may seem to have used more than there was.
  const others = traffic.machineCpuSeconds - cpuSeconds - serverCpuSeconds
  const othersCpuSeconds = Math.max(0, others)
  const count = requests.length
  const mine = { wallSeconds, cpuSeconds, peakBytes, requests: count, puts, bytes }
  return { ...mine, serverCpuSeconds, othersCpuSeconds }
}
