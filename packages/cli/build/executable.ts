// The single executable (nodejs.org/api/single-executable-applications): Node, and every script of ours as an asset in it.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { rolldown } from 'rolldown'
import { inAscii } from './ascii.ts'
import { injectBlob, writeExecutable } from './elf-note.ts'
import { keepEnglish } from './icu-data.ts'
import { licensesOf } from './licenses.ts'
import { urlInExecutable, placeUrls } from './urls.ts'
import { warmCaches } from './warm-caches.ts'
import { wrapAwait } from './wrap-await.ts'

export interface ExecutableRequest {
  /** The package of the command. */
  cli: string
  /** The Node that becomes part of it: the one that the tests ran under. */
  node: string
  /** Where it is put. */
  file: string
}

/** As in bin/berth. */
const NODE_OPTIONS = ['--max-semi-space-size=2']

const MAIN = path.join(import.meta.dirname, 'executable/start.cjs')

/** Its package comes without the text. */
const licenseOfNode = `Node.js ${process.version} (MIT), with what it contains:\nhttps://github.com/nodejs/node/blob/${process.version}/LICENSE`

/** Builds it, with the licences beside it, and answers its size in bytes. What V8 compiles in a few runs of it is put into it, too. */
export async function buildExecutable({ cli, node, file }: ExecutableRequest): Promise<number> {
  const work = `${file}.build`
  fs.rmSync(work, { recursive: true, force: true })
  fs.mkdirSync(work, { recursive: true })
  const { scripts, modules } = await bundleScripts(cli, path.join(work, 'lib'))
  // Before the blob is put in: after it, that would be cut away.
  const base = stripped(node, path.join(work, 'node'))
  keepEnglish(base)
  const assemble = (target: string, caches?: string): void => {
    const blob = makeBlob({ node, work, scripts, caches })
    writeExecutable(target, injectBlob(base, blob))
  }
  const caches = path.join(work, 'caches')
  const cold = path.join(work, 'cold')
  assemble(cold)
  await warmCaches({ executable: cold, caches, folder: path.join(work, 'warm') })
  assemble(file, caches)
  fs.writeFileSync(
    path.join(path.dirname(file), 'LICENSES.txt'),
    `${licensesOf(modules)}\n${'-'.repeat(80)}\n\n${licenseOfNode}\n`,
  )
  fs.rmSync(work, { recursive: true })
  return fs.statSync(file).size
}

/** Bundles the scripts as CommonJS, which V8 can run from memory and with a cache, and answers where each lies. */
async function bundleScripts(
  cli: string,
  dir: string,
): Promise<{ scripts: string[]; modules: string[] }> {
  const input = {
    main: 'src/main.ts',
    'start-pipeline': 'src/supervisor/pipeline-process.ts',
    keeper: '../s3-link/src/mount/keeper.ts',
    worker: '../archive/src/workers/worker.ts',
    'reader-thread': '../s3-link/src/upload/reader-thread.ts',
  }
  const waiting = [input.main, input['start-pipeline'], input.keeper]
  const plugins = [
    wrapAwait(waiting.map((file) => path.resolve(cli, file))),
    placeUrls(urlInExecutable),
  ]
  const bundle = await rolldown({ input, cwd: cli, platform: 'node', plugins })
  const { output } = await bundle.write({
    dir,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
  })
  const files = output.map(({ fileName }) => path.join(dir, fileName))
  for (const file of files) {
    const text = fs.readFileSync(file, 'utf8')
    fs.writeFileSync(file, `(function (exports, require, module, __filename) {${inAscii(text)}\n})`)
  }
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
  return { scripts: files, modules }
}

interface BlobRequest {
  node: string
  work: string
  scripts: readonly string[]
  /** A folder of `<script>.cache`; without one, the executable writes them. */
  caches: string | undefined
}

function makeBlob({ node, work, scripts, caches }: BlobRequest): Buffer {
  const isWarm = caches !== undefined
  const main = path.join(work, 'start.cjs')
  const start = fs.readFileSync(MAIN, 'utf8')
  const writer = fs.readFileSync(path.join(path.dirname(MAIN), 'write-caches.cjs'), 'utf8')
  fs.writeFileSync(
    main,
    isWarm ? start.replace('/* warm */\n', '') : start.replace('/* warm */', writer),
  )
  const files = [
    main,
    ...scripts,
    ...(isWarm ? fs.readdirSync(caches).map((name) => path.join(caches, name)) : []),
  ]
  const blob = path.join(work, 'blob')
  const config = path.join(work, 'sea.json')
  fs.writeFileSync(
    config,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      // NODE_OPTIONS in a pod is main's.
      execArgv: NODE_OPTIONS,
      execArgvExtension: 'none',
      assets: Object.fromEntries(files.map((file) => [path.basename(file), file])),
    }),
  )
  run(node, ['--experimental-sea-config', config])
  return fs.readFileSync(blob)
}

/** A Node without the names of its symbols: a seventh less. Where there is no `strip`, Node as it is. */
function stripped(node: string, target: string): Buffer {
  const { error } = spawnSync('strip', ['--version'])
  if (error !== undefined) return fs.readFileSync(node)
  run('strip', ['-o', target, node])
  return fs.readFileSync(target)
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`)
}
