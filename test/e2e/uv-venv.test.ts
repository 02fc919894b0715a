import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { restoreTree, saveTree } from '@berth/archive'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect } from 'vitest'

const INSTALL_TIMEOUT_MS = 300_000

const root = await temporaryDirectory()
const tools = join(root, 'tools')
const uv = join(tools, 'bin', 'uv')
const lane = requirement('python', missingUv() ?? true)

/** Whether the package index can be reached is known only when it was asked. */
function missingUv(): string | undefined {
  try {
    execFileSync('python3', ['-m', 'venv', tools], { stdio: 'ignore' })
    run(join(tools, 'bin', 'pip'), '-q', 'install', 'uv')
    return undefined
  } catch {
    return 'uv can not be installed from the package index'
  }
}

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, {
    env: { ...process.env, UV_CACHE_DIR: join(root, 'cache'), UV_PYTHON_DOWNLOADS: 'never' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  }).trim()
}

for (const [title, flags] of [
  ['as it makes them', []],
  ['with --relocatable', ['--relocatable']],
] as const) {
  lane(
    `a venv of uv ${title} works where it is restored to, and the next save sends nothing`,
    async () => {
      const base = await temporaryDirectory()
      const [from, to] = [join(base, 'from', 'venv'), join(base, 'another place', 'venv')]
      run(uv, 'venv', '-q', '-p', 'python3', ...flags, from)
      run(uv, 'pip', 'install', '-q', '--python', join(from, 'bin/python'), 'pip', 'tabulate')
      const store = await openStore(`file://${base}/store`, { env: {} })
      await saveTree({ store, name: 'venv', directory: from })
      const restored = await restoreTree({ store, name: 'venv', directory: to })
      expect(restored).toMatchObject({ result: 'restored' })
      const isRelocatable = flags.length > 0
      expect(restored.result === 'restored' && restored.rewritten > 0).toBe(!isRelocatable)
      const named = 'grep -rlIF -- "$0" "$1" || :'
      expect(run('sh', '-c', named, from, to)).toBe('')
      expect(run(join(to, 'bin/tabulate'), '--help')).toContain('tabulate')
      expect(run(join(to, 'bin/pip'), '--version')).toContain(to)
      const shell = '. "$1" && echo "$VIRTUAL_ENV" && command -v tabulate'
      expect(run('bash', '-c', shell, 'bash', join(to, 'bin/activate'))).toBe(
        `${to}\n${to}/bin/tabulate`,
      )
      expect(await saveTree({ store, name: 'venv', directory: to })).toMatchObject({
        result: 'unchanged',
      })
      run(uv, 'pip', 'uninstall', '-q', '--python', join(to, 'bin/python'), 'tabulate')
      expect(existsSync(join(to, 'bin/tabulate'))).toBe(false)
      run(uv, 'pip', 'install', '-q', '--python', join(to, 'bin/python'), 'tabulate')
      expect(readFileSync(join(to, 'bin/tabulate'), 'utf8')).not.toContain(from)
      expect(run(join(to, 'bin/tabulate'), '--help')).toContain('tabulate')
    },
    INSTALL_TIMEOUT_MS,
  )
}
