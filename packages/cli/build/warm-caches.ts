import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { startStubS3 } from '@berth/object-store/testing'

export interface WarmRequest {
  /** One that writes into BERTH_CACHES what V8 has compiled, in each of its processes and threads. */
  executable: string
  /** Where `<script>.cache` is put for every script that ran. */
  caches: string
  /** A new folder for the runs. */
  folder: string
}

const RECIPE = `
name: warm
vars: { store: { env: BERTH_STORE, required: true } }
boot:
  - { id: volume, uses: network-volume/detect, with: { candidates: ["/nowhere"] } }
  - id: shared
    uses: restore/shared
    with: { to: ./pod, store: "\${{ vars.store }}", archive: warm, directories: [tree] }
  - { id: shell, run: 'echo warm', if: "vars.store != ''" }
shutdown:
  - uses: shared-data/save
    with: { from: ./pod, store: "\${{ vars.store }}", archive: warm, directories: [tree] }
`

/** Runs what pods start with, and keeps of every script what the run compiled that used most of it. */
export async function warmCaches({ executable, caches, folder }: WarmRequest): Promise<void> {
  const written = path.join(folder, 'written')
  fs.mkdirSync(written, { recursive: true })
  fs.mkdirSync(caches)
  fs.writeFileSync(path.join(folder, 'recipe.yaml'), RECIPE)
  fs.writeFileSync(path.join(folder, 'empty.yaml'), 'name: empty\n')
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    BERTH_CACHES: written,
    BERTH_STATE_DIR: path.join(folder, 'state'),
  }
  const runOn = async (store: NodeJS.ProcessEnv): Promise<void> => {
    const warm = async (...args: string[]): Promise<void> => {
      await promisify(execFile)(executable, args, { cwd: folder, env: { ...env, ...store } })
    }
    await warm('--version')
    await warm('boot', 'empty.yaml', '--', 'true')
    writeTree(path.join(folder, 'pod/tree'))
    await warm('boot', 'recipe.yaml', '--', 'true')
    fs.rmSync(path.join(folder, 'pod'), { recursive: true })
    await warm('boot', 'recipe.yaml', '--', 'true')
    await warm('plan', 'recipe.yaml')
    await warm('validate', 'recipe.yaml')
    fs.rmSync(path.join(folder, 'pod'), { recursive: true })
  }
  const server = await startStubS3()
  try {
    await runOn({ BERTH_STORE: `file://${folder}/store` })
    await runOn({ ...server.env, BERTH_STORE: server.url })
  } finally {
    await server.close()
  }
  keepLargest(written, caches)
}

function writeTree(folder: string): void {
  fs.mkdirSync(folder, { recursive: true })
  for (let index = 0; index < 50; index++)
    fs.writeFileSync(path.join(folder, String(index)), `file ${index}\n`.repeat(100))
}

function keepLargest(from: string, to: string): void {
  const largest = new Map<string, { file: string; size: number }>()
  for (const name of fs.readdirSync(from)) {
    const file = path.join(from, name)
    const cache = name.replace(/\.\d+\.\d+$/, '')
    const { size } = fs.statSync(file)
    if (size > (largest.get(cache)?.size ?? 0)) largest.set(cache, { file, size })
  }
  for (const [cache, { file }] of largest) fs.copyFileSync(file, path.join(to, cache))
}
