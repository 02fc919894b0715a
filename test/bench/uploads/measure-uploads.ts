import * as fs from 'node:fs'
import * as path from 'node:path'
import { rethrowInterruption } from '../interruption.ts'
import { type Cost, measure } from '../measure.ts'
import { missingProgram } from '../programs.ts'
import { say } from '../restores.ts'
import type { BenchServer, Traffic } from '../server.ts'
import { makeFiles, missingFrom } from './files.ts'
import { type Uploader, uploaders } from './uploaders.ts'

/** One round of one program. */
export interface UploadSample extends Cost {
  /** By method. */
  requests: Record<string, number>
  serverCpuSeconds: number
  othersCpuSeconds: number
}

export interface UploadSeries {
  name: string
  about: string
  samples: UploadSample[]
  /** Why it was not measured, or what did not arrive. */
  missing?: string
}

export interface UploadBench {
  server: BenchServer
  work: string
  env: Record<string, string>
  processors: string
}

/** Every program uploads the same files in every round, one after another in turned order, each to a place of its own. */
export async function measureUploads(
  bench: UploadBench,
  { files, sizeBytes, rounds }: { files: number; sizeBytes: number; rounds: number },
): Promise<UploadSeries[]> {
  const folder = path.join(bench.work, 'files')
  makeFiles(folder, files, sizeBytes)
  const series = uploaders.map((uploader): UploadSeries => {
    const { name, about, program } = uploader
    const missing = missingProgram(program)
    return { name, about, samples: [], ...(missing !== undefined && { missing }) }
  })
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < uploaders.length; turn += 1) {
      const at = (turn + round) % uploaders.length
      const [uploader, own] = [uploaders[at], series[at]]
      if (uploader === undefined || own === undefined || own.missing !== undefined) continue
      try {
        const sample = await uploadOnce(bench, uploader, { folder, files, round })
        own.samples.push(sample)
        say(
          `round ${round + 1} of ${rounds}: ${own.name} ${sample.wallSeconds.toFixed(2)} s, ${sample.cpuSeconds.toFixed(2)} CPU-s`,
        )
      } catch (error) {
        rethrowInterruption(error)
        own.missing = (error as Error).message
        say(`${own.name} fails: ${own.missing}`)
      }
    }
  }
  fs.rmSync(folder, { recursive: true })
  return series
}

async function uploadOnce(
  { server, work, env, processors }: UploadBench,
  uploader: Uploader,
  { folder, files, round }: { folder: string; files: number; round: number },
): Promise<UploadSample> {
  const prefix = `uploads/${uploader.name}-${round}`
  const scratch = fs.mkdtempSync(path.join(work, 'scratch-'))
  try {
    const command = uploader.command({ server, folder, files, prefix, scratch })
    const traffic = server.watch()
    const cost = await measure(command, { env, folder: work, processors })
    const came = traffic()
    const missing = round === 0 ? missingFrom(folder, path.join(server.directory, prefix)) : []
    if (missing.length > 0) throw new Error(`${missing.length} files did not arrive`)
    return sampleOf(cost, came)
  } finally {
    fs.rmSync(scratch, { recursive: true })
    fs.rmSync(path.join(server.directory, prefix), { recursive: true, force: true })
  }
}

function sampleOf(cost: Cost, { requests, cpuSeconds, machineCpuSeconds }: Traffic): UploadSample {
  const byMethod: Record<string, number> = {}
  for (const { method } of requests) byMethod[method] = (byMethod[method] ?? 0) + 1
  return {
    ...cost,
    requests: byMethod,
    serverCpuSeconds: cpuSeconds,
    othersCpuSeconds: Math.max(0, machineCpuSeconds - cost.cpuSeconds - cpuSeconds),
  }
}
