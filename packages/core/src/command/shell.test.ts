import { execFileSync } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findProgram } from './find-shell.ts'
import { createMask } from '../mask/mask.ts'
import { isAlive } from './process-group.ts'
import { createShell, quoteArgument, type ShellOptions } from './shell.ts'
import { temporaryDirectory } from '../testing.ts'

const PATH = process.env.PATH ?? ''

function shell(options: Partial<ShellOptions> = {}) {
  const lines: string[] = []
  const $ = createShell({
    env: { PATH },
    workingDirectory: '/',
    signal: new AbortController().signal,
    mask: createMask({ KEY: 'abcdef123' }),
    onLine: (line) => lines.push(line),
    ...options,
  })
  return { $, lines }
}

test('runs a command in the directory and the environment of the step and no other', async () => {
  const directory = await temporaryDirectory()
  const { $ } = shell({ workingDirectory: directory, env: { PATH, NAME: 'pod' } })
  expect((await $`pwd; echo $NAME; env | grep -c HOME || true`).stdout).toBe(
    `${directory}\npod\n0\n`,
  )
})

test('logs standard error, masked, unless the command is quiet', async () => {
  const { $, lines } = shell()
  await $`echo "key abcdef123" >&2; echo data`
  await $({ quiet: true })`echo hidden >&2`
  expect(lines).toEqual(['key [secret]'])
})

test('fails at the first command that fails, also within a pipe', async () => {
  const { $ } = shell()
  await expect($`false; echo on`).rejects.toMatchObject({ exitCode: 1, stdout: '' })
  await expect($`false | cat`).rejects.toMatchObject({ exitCode: 1 })
  expect((await $({ nothrow: true })`exit 4`).exitCode).toBe(4)
})

test('takes input, and has none otherwise', async () => {
  const { $ } = shell()
  expect((await $`cat`).stdout).toBe('')
  expect((await $({ input: 'text' })`cat`).stdout).toBe('text')
})

test('ends the group of a command that ignores TERM soon after the abort', async () => {
  const controller = new AbortController()
  const { $ } = shell({ signal: controller.signal })
  const command = $`trap "" TERM; echo $$; sh -c 'trap "" TERM; while :; do sleep 0.1; done'`
  const pid = await new Promise<number>((resolve) => {
    command.stdout.once('data', (data: Buffer) => resolve(Number(data.toString())))
  })
  const abortedAt = performance.now()
  controller.abort()
  await expect(command).rejects.toMatchObject({ signal: 'SIGKILL' })
  expect(performance.now() - abortedAt).toBeLessThan(20_000)
  expect(isAlive(pid)).toBe(false)
  await expect(shell({ signal: controller.signal }).$`echo late`).rejects.toThrow()
})

test('needs no bash and no ps, not even to kill a command', async () => {
  const directory = await temporaryDirectory()
  for (const name of ['sh', 'sleep', 'printf'])
    await symlink(findProgram(name, PATH) ?? '', join(directory, name))
  const { $ } = shell({ env: { PATH: directory } })
  expect((await $`printf %s ${"it's"}`).stdout).toBe("it's")
  const command = $({ timeout: '100ms' })`sleep 60`
  await expect(command).rejects.toMatchObject({ signal: 'SIGTERM' })
  const killed = $`sleep 60`
  const [failure] = await Promise.allSettled([killed, killed.kill()])
  expect(failure).toMatchObject({ status: 'rejected', reason: { signal: 'SIGTERM' } })
})

test('quotes any argument as one word of sh', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
      (argument) => {
        const printed = execFileSync('sh', ['-c', `printf %s ${quoteArgument(argument)}`], {
          encoding: 'utf8',
        })
        expect(printed).toBe(argument.toWellFormed())
      },
    ),
    { numRuns: 25 },
  )
})

test('does not load zx before the first command', () => {
  const script = `
    import { createShell } from ${JSON.stringify(new URL('shell.ts', import.meta.url).href)}
    import { createRequire } from 'node:module'
    const require = createRequire(${JSON.stringify(import.meta.url)})
    const isLoaded = () => Object.keys(require.cache).some((file) => file.includes('/zx/'))
    const $ = createShell({ env: process.env, workingDirectory: '/', signal: new AbortController().signal, onLine: () => {} })
    const before = isLoaded()
    await $\`true\`
    console.log(before, isLoaded())`
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  expect(printed).toBe('false true\n')
})
