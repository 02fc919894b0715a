import { execFile, execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, test } from 'vitest'
import { root } from '../workspace.ts'
import { DIRECTORIES, Home } from './running-pod.ts'

// A start is paid for by module, about a third of a millisecond each, whatever the machine does besides. What must grow these numbers
// should be worth it to every boot.
const SUPERVISOR_MODULES = 75
const PIPELINE_MODULES = 400
const LIST_MODULES = 105

/** What only saving, unpacking, copying or writing docs needs. */
const UNNEEDED = [
  /node_modules\/(@aws-sdk|@smithy|tar|zx)\//,
  // The inputs of a recipe are checked with the rules of `exclude` and of ages.
  /packages\/archive\/src\/(save|restore|verify|import|prune\/(?!age\.)|scan\/(?!exclude))/,
  /packages\/filesystem\/src\/(copy|lease)[^/]*$/,
  /packages\/core\/src\/(recipe\/json-schema|plugin\/describe-options)\.ts$/,
  /packages\/[^/]+\/src\/(copy|save)-shared\.ts$/,
]
const RECIPE_LIBRARIES = /node_modules\/(zod|yaml|@actions\/expressions)\//

test('a boot that links loads nothing that only a save or an unpacking needs', () => {
  const home = new Home()
  const volume = path.join(home.path, 'volume')
  for (const name of DIRECTORIES) {
    fs.mkdirSync(path.join(volume, name), { recursive: true })
    fs.writeFileSync(path.join(volume, name, 'file'), name)
  }
  const state = path.join(home.path, 'state')
  // Main ends the supervisor, so that no shutdown loads what a boot must not.
  const main = ['sh', '-c', 'kill -9 $PPID']
  const command = ['boot', 'recipes/comfyui.yaml', '--state-dir', state, '--', ...main]
  const loaded = modulesOf(home, command, { _NETWORK_VOLUME: volume })
  for (const name of DIRECTORIES) expect(fs.readlinkSync(home.at(name))).toContain(volume)
  const supervisor = loaded.get('start.mjs') ?? []
  const pipeline = loaded.get('start-pipeline.mjs') ?? []
  expect([...supervisor, ...pipeline].filter(isUnneeded)).toEqual([])
  expect(supervisor.filter((url) => RECIPE_LIBRARIES.test(url))).toEqual([])
  expect(pipeline.some((url) => url.endsWith('restore/src/put-in-place.ts'))).toBe(true)
  expect(supervisor.length).toBeLessThan(SUPERVISOR_MODULES)
  expect(pipeline.length).toBeLessThan(PIPELINE_MODULES)
})

test('a command for archives loads nothing that only recipes need', () => {
  const home = new Home()
  const store = ['--store', `file://${home.store}`]
  fs.writeFileSync(path.join(home.disk, 'file'), 'content')
  const saved = modulesOf(home, ['archive', 'save', home.disk, '--name', 'a', ...store])
  const listed = modulesOf(home, ['archive', 'list', ...store])
  const [save, list] = [saved, listed].map((loaded) => loaded.get('start.mjs') ?? [])
  expect(save?.some((url) => url.endsWith('archive/src/save/save.ts'))).toBe(true)
  expect([...(save ?? []), ...(list ?? [])].filter((url) => RECIPE_LIBRARIES.test(url))).toEqual([])
  expect(list?.filter(isUnneeded)).toEqual([])
  expect(list?.length).toBeLessThan(LIST_MODULES)
})

test('a restore from a bucket with an endpoint and fixed keys does not load the SDK', async ({
  skip,
}) => {
  const missing = missingS3Server()
  skip(missing !== undefined, missing)
  await using server = await openServer()
  const home = new Home()
  fs.writeFileSync(path.join(home.disk, 'file'), 'content')
  const target = path.join(home.path, 'restored')
  const env = { ...server.env, BERTH_STORE: server.url }
  await startCommand(home, ['archive', 'save', home.disk, '--name', 'a'], env)
  const loaded = await startCommand(home, ['archive', 'restore', target, '--name', 'a'], env)
  expect(fs.readFileSync(path.join(target, 'file'), 'utf8')).toBe('content')
  const restore = loaded.get('start.mjs') ?? []
  expect(restore.some((url) => url.endsWith('object-store/src/s3-store.ts'))).toBe(true)
  expect(restore.filter((url) => /node_modules\/(@aws-sdk|@smithy)\//.test(url))).toEqual([])
})

async function openServer() {
  const server = await startS3Server()
  return { ...server, [Symbol.asyncDispose]: server.close }
}

function isUnneeded(url: string): boolean {
  return UNNEEDED.some((pattern) => pattern.test(url))
}

/** The modules that a command loads, by the entry of the process. */
function modulesOf(home: Home, args: string[], env: NodeJS.ProcessEnv = {}): Map<string, string[]> {
  const log = newLog(home)
  try {
    execFileSync(program, args, { ...surroundings(home, log, env), stdio: 'ignore' })
  } catch (error) {
    if ((error as { signal?: string }).signal !== 'SIGKILL') throw error
  }
  return readLog(log)
}

/** The same of one that talks to this process. */
async function startCommand(home: Home, args: string[], env: NodeJS.ProcessEnv) {
  const log = newLog(home)
  await promisify(execFile)(program, args, surroundings(home, log, env))
  return readLog(log)
}

const program = `${root}/packages/cli/bin/berth`

function newLog(home: Home): string {
  const log = path.join(home.path, 'modules')
  fs.rmSync(log, { force: true })
  return log
}

function surroundings(home: Home, log: string, env: NodeJS.ProcessEnv) {
  const preload = path.join(import.meta.dirname, 'module-log-child.ts')
  return {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      NODE_OPTIONS: `--import=${preload}`,
      MODULE_LOG: log,
      NETWORK_VOLUME: home.disk,
      BERTH_STORE: `file://${home.store}`,
      ...env,
    },
  }
}

function readLog(log: string): Map<string, string[]> {
  const lines = fs.readFileSync(log, 'utf8').trim().split('\n')
  const loaded = lines.map((line) => line.split(' ') as [entry: string, url: string])
  const own = loaded.filter(([, url]) => url.startsWith('file:'))
  return new Map(
    ['start.mjs', 'start-pipeline.mjs'].map((name) => [
      name,
      own.filter(([entry]) => entry === name).map(([, url]) => url),
    ]),
  )
}
