import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Arguments } from '../arguments.ts'
import { readMachine } from '../machine.ts'
import { readVersions, searchPath } from '../programs.ts'
import { startServer } from '../server.ts'
import { measureUploads } from './measure-uploads.ts'
import { type UploadRun, writeUploadReport } from './report-uploads.ts'
import { measureVisible } from './visible.ts'

/** `npm run bench -- --suite link`: uploads of whole folders, and of single files, into a real server in memory. Writes LINK.md. */
export async function benchUploads(
  { quick, rounds, link, cores }: Arguments,
  folder: string,
): Promise<void> {
  const shared = fs.existsSync('/dev/shm') ? '/dev/shm' : undefined
  const work = fs.mkdtempSync(path.join(shared ?? '/tmp', 'berth-bench-'))
  const machine = readMachine(work)
  const server = await startServer(work, link)
  try {
    const home = path.join(work, 'home')
    fs.mkdirSync(home)
    const env = { ...server.env, PATH: searchPath(), HOME: home }
    const processors = cores === undefined ? '' : `0-${cores - 1}`
    const bench = { server, work, env, processors }
    const asked = { files: quick ? 100 : 1_000, sizeBytes: 1_000_000, rounds }
    const uploads = await measureUploads(bench, asked)
    const visible = await measureVisible(bench, quick ? 10 : 60)
    const date = new Date().toISOString().slice(0, 10)
    const all = readVersions()
    const versions = Object.fromEntries(
      ['rclone', 'aws', 'versitygw', 'node'].flatMap((name) =>
        all[name] === undefined ? [] : [[name, all[name]] as const],
      ),
    )
    const run: UploadRun = { date, ...asked, machine, versions, uploads, visible }
    const report = writeUploadReport(run)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'LINK.md'), report)
    console.log(report)
  } finally {
    await server.close()
    fs.rmSync(work, { recursive: true, force: true })
  }
}
