// The command as one package without dependencies but Node: what `npm pack` packs.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { rolldown } from 'rolldown'
import { inAscii } from './ascii.ts'
import { licensesOf } from './licenses.ts'
import { placeUrls, urlInPackage } from './urls.ts'
import { wrapAwait } from './wrap-await.ts'

const cli = path.dirname(import.meta.dirname)
const root = path.resolve(cli, '../..')
const dist = path.join(cli, 'dist')
const lib = path.join(dist, 'lib')

// Each is started, or named by a URL; all else is split into chunks that load when they are needed.
const input = {
  start: 'src/start.mjs',
  keeper: '../s3-link/src/mount/keeper.ts',
  'start-pipeline': 'src/supervisor/start-pipeline.mjs',
  worker: '../archive/src/workers/worker.ts',
  'reader-thread': '../s3-link/src/upload/reader-thread.ts',
}

/** Those of them, or of what they start with, that wait at their top. */
const waiting = [
  input.start,
  'src/main.ts',
  input['start-pipeline'],
  'src/supervisor/pipeline-process.ts',
  input.keeper,
]

// It is in no bundle: it imports whatever a thread is told to.
const workerStart = path.join(cli, '../archive/src/workers/worker-start.mjs')

/** Builds it in dist/ and answers how much its scripts are. As CommonJS: Node takes 20 ms longer to link the same as ES modules. */
export async function buildPackage(): Promise<{ files: number; bytes: number }> {
  fs.rmSync(dist, { recursive: true, force: true })
  const bundle = await rolldown({
    input,
    cwd: cli,
    platform: 'node',
    plugins: [wrapAwait(waiting.map((file) => path.resolve(cli, file))), placeUrls(urlInPackage)],
  })
  const { output } = await bundle.write({
    dir: lib,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
  })
  const files = output.map(({ fileName }) => path.join(lib, fileName))
  for (const file of files) fs.writeFileSync(file, inAscii(fs.readFileSync(file, 'utf8')))
  fs.copyFileSync(workerStart, path.join(lib, 'worker-start.mjs'))
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
  fs.writeFileSync(path.join(dist, 'LICENSES.txt'), licensesOf(modules))
  fs.copyFileSync(path.join(cli, 'README.md'), path.join(dist, 'README.md'))
  writeCommand()
  writeManifest()
  const bytes = files.reduce((sum, file) => sum + fs.statSync(file).size, 0)
  return { files: files.length, bytes }
}

/** The same script, for the other place of the start. */
function writeCommand(): void {
  const source = fs.readFileSync(path.join(cli, 'bin/berth'), 'utf8')
  const command = source
    .replaceAll('/src/start.mjs', '/lib/start.cjs')
    .replace(
      'run `npm install` in the checkout',
      'install this package again with `npm install --allow-scripts=node`, or Node 24',
    )
  if (command === source) throw new Error('bin/berth does not start src/start.mjs')
  fs.mkdirSync(path.join(dist, 'bin'))
  fs.writeFileSync(path.join(dist, 'bin/berth'), command, { mode: 0o755 })
}

function writeManifest(): void {
  const { name, version, description, license, bin, type } = readManifest(
    path.join(cli, 'package.json'),
  )
  const { node } = readManifest(path.join(root, 'package.json')).devDependencies as { node: string }
  const manifest = { name, version, description, license, type, bin, dependencies: { node } }
  fs.writeFileSync(path.join(dist, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}

function readManifest(file: string): Record<string, unknown> {
  return JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>
}
