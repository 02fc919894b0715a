import * as fs from 'node:fs'
import * as path from 'node:path'
import { startS3Server } from '@berth/object-store/testing'
import type { Link } from './arguments.ts'
import { parseAccessLog, type LoggedRequest } from './access-log.ts'
import { openLink } from './link.ts'
import { readMachineCpuSeconds, readProcess } from './process-facts.ts'

/** The real S3 server, asked directly, with what it did from one moment to the next. */
export interface BenchServer {
  endpoint: string
  bucket: string
  /** Where it keeps the bucket: each object is a file. */
  directory: string
  /** Credentials as the AWS tools read them. */
  env: Record<string, string>
  /** Starts counting; the function that it gives answers what came since. */
  watch: () => () => Traffic
  close: () => Promise<void>
}

export interface Traffic {
  requests: LoggedRequest[]
  /** What the server sent and stored: all that went over the wire but headers and listings' questions. */
  bytes: number
  /** Of the server's processors, which on one machine are the client's too. */
  cpuSeconds: number
  /** Of everything on the machine meanwhile. */
  machineCpuSeconds: number
}

/** Starts the server, behind a link of its own where one is asked for. */
export async function startServer(folder: string, link: Link | undefined): Promise<BenchServer> {
  const network = link === undefined ? undefined : await openLink(link)
  const accessLog = path.join(folder, 'access.log')
  const where = network === undefined ? {} : { host: network.host, within: network.within }
  const server = await startS3Server({ folder, accessLog, ...where })
  const logSize = (): number => fs.statSync(accessLog).size
  return {
    endpoint: server.directEndpoint,
    bucket: server.bucket,
    directory: server.directory,
    env: { ...server.env, AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1' },
    watch: () => {
      const machineBefore = readMachineCpuSeconds()
      const before = { ...readProcess(server.pid), log: logSize() }
      return () => {
        const after = { ...readProcess(server.pid), log: logSize() }
        const lines = fs.readFileSync(accessLog).subarray(before.log, after.log).toString()
        return {
          requests: parseAccessLog(lines),
          bytes: after.writtenBytes - before.writtenBytes - (after.log - before.log),
          cpuSeconds: after.cpuSeconds - before.cpuSeconds,
          machineCpuSeconds: readMachineCpuSeconds() - machineBefore,
        }
      }
    },
    close: async () => {
      await server.close()
      await network?.close()
    },
  }
}
