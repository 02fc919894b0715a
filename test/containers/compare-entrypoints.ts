import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Engine, RunRequest } from './engine.ts'
import { makeFolder } from './scene.ts'

const GRACE_SECONDS = 10
const WORD = 'a-word-that-was-written'
const app = ['python3', '/app/app.py']

/** The same app under each; every script's last line copies what the app wrote to the store. */
const entrypoints: Record<string, Pick<RunRequest, 'command' | 'options'>> = {
  'tini, berth boot': { command: app },
  'berth boot, itself PID 1': {
    command: app,
    options: ['--entrypoint', '["berth", "boot", "/etc/berth/recipe.yaml", "--"]'],
  },
  'bash, `sleep infinity`': script('sleep'),
  'bash, `tail -f`': script('tail'),
  'bash, supervisord in the background': script('supervisord'),
}

function script(name: string): Pick<RunRequest, 'command' | 'options'> {
  const here = path.join(import.meta.dirname, 'entrypoints')
  return {
    options: [
      '--entrypoint',
      `/app/entrypoints/${name}.sh`,
      '--volume',
      `${here}:/app/entrypoints`,
    ],
  }
}

/** Runs one app under every entrypoint, stops each as a runtime does, and answers a Markdown table of what became of it. */
export async function compareEntrypoints(engine: Engine): Promise<string> {
  const rows: string[][] = []
  for (const [title, how] of Object.entries(entrypoints))
    rows.push([title, ...(await live(engine, how))])
  const head = ['ENTRYPOINT', 'SIGTERM handled', 'saved', 'zombies of ten orphans', 'exit code']
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

async function live(
  engine: Engine,
  how: Pick<RunRequest, 'command' | 'options'>,
): Promise<string[]> {
  const store = makeFolder(engine, 'store')
  const env = { BERTH_STORE: 'file:///store', WORD }
  const container = engine.start({ image: 'plain', ...how, env, mounts: { [store]: '/store' } })
  const log = await container.says('serving')
  const [, zombies = ''] = /zombies (\d+)/.exec(log) ?? []
  const code = await container.stop(GRACE_SECONDS)
  const isKept = await isSaved(engine, store)
  return [code === 137 ? 'no: killed' : 'yes', isKept ? 'yes' : 'no', zombies, String(code)]
}

/** Whether the next container would have it, by Berth or as plain files. */
async function isSaved(engine: Engine, store: string): Promise<boolean> {
  if (fs.existsSync(path.join(store, 'tree/words'))) return true
  if (!fs.existsSync(path.join(store, 'berth.json'))) return false
  const restore = 'berth archive restore /back --store file:///store --name life/tree'
  const read = engine.start({
    image: 'plain',
    options: ['--entrypoint', 'sh'],
    command: ['-c', `${restore} && cat /back/words`],
    mounts: { [store]: '/store' },
  })
  await read.ended()
  return (await read.logs()).includes(WORD)
}
