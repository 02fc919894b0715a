import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { root } from '../workspace.ts'
import type { Engine } from './engine.ts'

const here = import.meta.dirname

export const DOCKERFILE = 'test/containers/Dockerfile'

/** What `docker build` is given: the recipes and the app, in the places that the Dockerfiles name. */
function makeContext(engine: Engine): string {
  const context = path.join(engine.home, 'context')
  fs.cpSync(path.join(root, 'recipes'), path.join(context, 'recipes'), { recursive: true })
  fs.cpSync(path.join(root, 'images'), path.join(context, 'images'), { recursive: true })
  fs.mkdirSync(path.join(context, 'ComfyUI'))
  fs.copyFileSync(path.join(here, 'app.py'), path.join(context, 'ComfyUI/main.py'))
  for (const name of ['app.py', 'life.yaml'])
    fs.copyFileSync(path.join(here, name), path.join(context, name))
  fs.writeFileSync(path.join(context, 'requirements.txt'), 'pip\n')
  return context
}

/** Builds the executable and images/base around it. */
async function buildBase(engine: Engine): Promise<void> {
  const build = path.join(root, 'packages/cli/build')
  await promisify(execFile)(process.execPath, [path.join(build, 'build.ts')])
  await engine.build({
    tag: 'berth/base',
    dockerfile: 'images/base/Dockerfile',
    context: path.join(build, 'dist'),
  })
}

/** A folder that containers mount, with a name of its own. */
export function makeFolder(engine: Engine, name: string): string {
  const folder = fs.mkdtempSync(path.join(engine.home, `${name}-`))
  // Whoever runs in the container may write.
  fs.chmodSync(folder, 0o777)
  return folder
}

/** Everything that a container of the image `plain` needs, from nothing. Answers the context it was built in. */
export async function buildPlain(engine: Engine): Promise<string> {
  engine.importBases()
  const context = makeContext(engine)
  await buildBase(engine)
  await engine.build({ tag: 'plain', dockerfile: DOCKERFILE, context, target: 'plain' })
  return context
}
