import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished } from 'vitest'
import { readText, root } from '../workspace.ts'

const hasPython = spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0
const test = requirement('python', hasPython || 'python3 with venv is not installed')

test('the quick start of the README works as it is written', () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-readme-'))
  onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }))
  const [, block = ''] = /## Quick start[^]*?```sh\n([^]*?)```/.exec(readText('README.md')) ?? []
  // The workspace is installed already, and another test must not install it under the feet of its neighbours.
  const script = block.replace('npm install\n', '').replaceAll('/tmp/berth/', `${home}/`)
  expect(script).toContain('berth boot recipes/comfyui.yaml')
  const run = spawnSync('sh', ['-e'], {
    cwd: root,
    input: script,
    encoding: 'utf8',
    timeout: 150_000,
  })
  expect(run.status, run.stderr).toBe(0)
  const lines = run.stdout.split('\n')
  expect(lines).toContain('the app runs')
  expect(lines).toContain('ended with 143')
  expect(lines).toContain(`${home}/pod/venv`)
}, 180_000)

const rescueTools = ['zstd', 'jq', 'tar']
const missing = rescueTools.filter((tool) => spawnSync(tool, ['--version']).status !== 0)

requirement('rescue', missing.length === 0 || `${missing.join(', ')} not installed`)(
  'the walk-through of the archives works as it is written',
  () => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-archives-'))
    onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }))
    const page = readText('docs/archives.md')
    const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
    expect(blocks.length).toBeGreaterThan(9)
    const run = spawnSync('sh', ['-e'], {
      cwd: home,
      input: blocks.join(''),
      env: { ...process.env, PATH: `${root}/node_modules/.bin:${process.env['PATH']}` },
      encoding: 'utf8',
      timeout: 100_000,
    })
    expect(run.status, run.stderr).toBe(0)
    // What the page shows as the answers is what they are, but for times, sizes and names that are random.
    const shown = [...page.matchAll(/^```text\n(.*?)^```$/gms)].map(([, block = '']) => block)
    const plain = (text: string) => text.replaceAll(/[\d:.,~T-]+\w*|\/\S*/g, '#').split('\n')
    const answers = ['…', '  …', ...plain(run.stdout + run.stderr)]
    expect(shown.flatMap(plain).filter((line) => !answers.includes(line))).toEqual([])
  },
  120_000,
)
