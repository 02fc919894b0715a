import { execFile, execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { beforeAll, expect, test } from 'vitest'
import { root } from '../workspace.ts'
import { DIRECTORIES, Home, RunningPod } from './running-pod.ts'

const run = promisify(execFile)
let packed: string

beforeAll(async () => {
  const folder = fs.mkdtempSync(path.join(process.env['TMPDIR'] ?? '/tmp', 'berth-packed-'))
  await run(process.execPath, [path.join(root, 'packages/cli/build/build.ts'), '--package'])
  const args = ['pack', '--silent', '--pack-destination', folder]
  const { stdout } = await run('npm', [...args, path.join(root, 'packages/cli/dist')], {
    cwd: folder,
  })
  packed = path.join(folder, stdout.trim())
})

/** As npm would install it, but with the Node that runs this test. Nothing of the checkout is near. */
function install(home: Home): string {
  const modules = path.join(home.path, 'node_modules')
  const target = path.join(modules, '@berth/cli')
  fs.mkdirSync(target, { recursive: true })
  execFileSync('tar', ['-xzf', packed, '-C', target, '--strip-components=1'])
  fs.mkdirSync(path.join(modules, '.bin'))
  fs.symlinkSync(process.execPath, path.join(modules, '.bin/node'))
  fs.symlinkSync('../@berth/cli/bin/berth', path.join(modules, '.bin/berth'))
  return path.join(modules, '.bin/berth')
}

test('the packed command boots, saves and restores without the checkout', async () => {
  const home = new Home()
  const program = install(home)
  const recipe = path.join(home.path, 'recipe.yaml')
  fs.copyFileSync(path.join(root, 'recipes/comfyui.yaml'), recipe)
  const command = ['sh', '-c', 'trap "exit 7" TERM; while :; do sleep 0.05; done']
  const directories = DIRECTORIES.slice(1)
  for (const name of directories) {
    fs.mkdirSync(home.at(`${name}/deep`), { recursive: true })
    fs.writeFileSync(home.at(`${name}/deep/file`), name.repeat(200_000))
  }
  const first = new RunningPod({ home, command, recipe, program, grace: '60s' })
  await first.says('● running')
  expect((await first.stop()).code, first.output).toBe(7)
  home.wipe()
  const second = new RunningPod({ home, command, recipe, program, grace: '60s' })
  await second.says('● running')
  for (const name of directories)
    expect(fs.readFileSync(home.at(`${name}/deep/file`), 'utf8')).toBe(name.repeat(200_000))
  await second.stop()
}, 120_000)

test('the packed command works on a bucket', async ({ skip }) => {
  const missing = missingS3Server()
  if (missing !== undefined) skip(missing)
  const server = await startS3Server()
  try {
    const home = new Home()
    const program = install(home)
    const env = { PATH: '/usr/bin:/bin', HOME: home.path, ...server.env, BERTH_STORE: server.url }
    const berth = async (...args: string[]) =>
      (await run(program, args, { env, cwd: home.path })).stdout
    fs.writeFileSync(home.at('file'), 'a line\n'.repeat(300_000))
    expect(await berth('archive', 'save', home.disk, '--name', 'a')).toContain('generation 1')
    const target = path.join(home.path, 'restored')
    await berth('archive', 'restore', target, '--name', 'a')
    expect(fs.readFileSync(path.join(target, 'file'))).toEqual(fs.readFileSync(home.at('file')))
    expect(await berth('archive', 'verify', '--name', 'a')).not.toContain('damaged')
    expect(await berth('archive', 'prune')).toContain('0')
  } finally {
    await server.close()
  }
}, 120_000)

test('the packed command carries the licences of what it holds', () => {
  const home = new Home()
  const folder = path.dirname(path.dirname(fs.realpathSync(install(home))))
  const licenses = fs.readFileSync(path.join(folder, 'LICENSES.txt'), 'utf8')
  for (const name of ['zod', 'yaml', '@aws-sdk/client-s3', 'tar', 'zx'])
    expect(licenses).toMatch(new RegExp(`^${name} \\d`, 'm'))
  expect(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))).toMatchObject({
    bin: { berth: 'bin/berth' },
    dependencies: { node: expect.stringMatching(/^24\./) },
  })
})

test('the packed command holds of its dependencies only what it uses', () => {
  const home = new Home()
  const lib = path.join(path.dirname(path.dirname(fs.realpathSync(install(home)))), 'lib')
  const text = fs.readdirSync(lib).map((file) => fs.readFileSync(path.join(lib, file), 'utf8'))
  expect(
    text.filter((each) => each.includes('strictObject')),
    'zod',
  ).not.toEqual([])
  // An `import('@berth/core')` that is not taken apart at once would bring all of zod into every process that reads a recipe.
  expect(text.filter((each) => each.includes('fromJSONSchema'))).toEqual([])
})
