import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../workspace.ts'

const run = promisify(execFile)
const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|E404|EINTEGRITY/

test('npm packs it, installs it for all, and runs it once, outside a checkout', async ({
  skip,
}) => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-install-'))
  onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }))
  await run(process.execPath, [path.join(root, 'packages/cli/build/build.ts'), '--package'])
  const npm = async (...words: string[]): Promise<string> =>
    (await run('npm', ['--no-audit', '--no-fund', ...words], { cwd: home })).stdout.trim()
  const packed = await npm('pack', '--silent', path.join(root, 'packages/cli/dist'))
  try {
    await npm('install', '--global', '--prefix', path.join(home, 'all'), `./${packed}`)
  } catch (error) {
    if (unreachable.test(String(error))) skip('registry: the Node of the package cannot be had')
    throw error
  }
  const { version } = JSON.parse(
    fs.readFileSync(path.join(root, 'packages/cli/package.json'), 'utf8'),
  ) as { version: string }
  const recipe = path.join(home, 'recipe.yaml')
  fs.writeFileSync(recipe, 'boot: [{ run: echo from-a-step }]\n')
  const env = {
    PATH: `${home}/all/bin:/usr/bin:/bin`,
    HOME: home,
    BERTH_STATE_DIR: `${home}/state`,
  }
  expect((await run('berth', ['--version'], { env, cwd: '/' })).stdout).toBe(`${version}\n`)
  const { stderr } = await run('berth', ['boot', recipe, '--', 'true'], { env, cwd: '/' })
  expect(stderr).toContain('from-a-step')
  const once = await npm('exec', '--yes', '--package', `./${packed}`, '--', 'berth', '--version')
  expect(once).toBe(version)
}, 300_000)
