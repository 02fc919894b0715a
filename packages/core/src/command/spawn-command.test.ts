import { readFileSync } from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { findProgram, findShell } from './find-shell.ts'
import { createMask } from '../mask/mask.ts'
import { commandFailed, type CommandOptions, spawnCommand } from './spawn-command.ts'
import { temporaryDirectory } from '../testing.ts'

const env = { PATH: process.env.PATH ?? '' }

async function bash(script: string, options: Partial<CommandOptions> = {}) {
  const lines: string[] = []
  const end = await spawnCommand({
    command: ['bash', '-c', script],
    env,
    workingDirectory: '/',
    onLine: (line) => lines.push(line),
    ...options,
  })
  return { ...end, lines }
}

/** A process that has ended but was not reaped, as where PID 1 is slow, is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && !condition(); round++) await sleep(10)
}

test('gives each line, the exit code, and the last lines of standard error', async () => {
  const { code, lines, errorTail } = await bash(
    'for i in $(seq 30); do echo "e$i" >&2; done; printf "a\\nb"; exit 3',
  )
  expect(code).toBe(3)
  expect(lines.filter((line) => !line.startsWith('e'))).toEqual(['a', 'b'])
  expect(errorTail).toEqual(Array.from({ length: 20 }, (_, index) => `e${index + 11}`))
})

test('loses no output of a command that prints a lot and ends', async () => {
  let bytes = 0
  await bash('head -c 1000000 /dev/zero | tr "\\0" "x" | fold -w 99', {
    onLine: (line) => (bytes += line.length),
  })
  expect(bytes).toBe(1_000_000)
})

test('keeps memory bounded while a command prints 200 MB, with and without line ends', async () => {
  const before = process.memoryUsage().rss
  let peak = 0
  let bytes = 0
  const onLine = (line: string) => {
    bytes += line.length
    if (bytes % 64 === 0) peak = Math.max(peak, process.memoryUsage().rss)
  }
  await bash(
    'yes "$(printf "%01000d" 0)" | head -c 100000000; head -c 100000000 /dev/zero | tr "\\0" "x"',
    { onLine },
  )
  expect(bytes).toBeGreaterThan(199_000_000)
  expect(peak - before).toBeLessThan(100_000_000)
})

test('cuts long lines, and passes on a rewritten progress line now and then', async () => {
  const { lines } = await bash(
    'head -c 40000 /dev/zero | tr "\\0" "x"; sleep 0.2; echo; for i in $(seq 1000); do printf "%s%%\\r" "$i"; done; echo end',
  )
  expect(lines.slice(0, 3).map((line) => line.length)).toEqual([16_384, 16_384, 7232])
  expect(lines.slice(3).length).toBeLessThan(10)
  expect(lines.at(-1)).toBe('end')
})

test('joins a character and a line end that chunks cut in two', async () => {
  const { lines } = await bash(
    `printf '\\xe2\\x82'; sleep 0.1; printf '\\xac\\r'; sleep 0.1; printf '\\nnext\\r\\n'`,
  )
  expect(lines).toEqual(['€', 'next'])
})

test('hides a secret that comes in two pieces, also in the last lines', async () => {
  const mask = createMask({ KEY: 'abcdef123' })
  const { lines, errorTail } = await bash(
    'printf "key abcd" >&2; sleep 0.1; echo "ef123." >&2; exit 1',
    { mask },
  )
  expect(lines).toEqual(['key [secret].'])
  expect(errorTail).toEqual(['key [secret].'])
})

test('has an empty standard input and a process group of its own', async () => {
  const { lines } = await bash('cat; ps -o pgid= -p $$ | tr -d " "; echo $$')
  expect(lines[0]).toBe(lines[1])
})

test('ends the whole group on abort, also orphaned grandchildren and those that ignore TERM', async () => {
  const controller = new AbortController()
  const pids: number[] = []
  const script = `
    (bash -c 'trap "" TERM; echo $$; while :; do sleep 0.1; done' &)
    (sleep 60 & echo $!)
    trap "" TERM
    echo $$
    while :; do sleep 0.1; done`
  const running = bash(script, {
    signal: controller.signal,
    onLine: (line) => pids.push(Number(line)),
  })
  await until(() => pids.length === 3)
  expect(pids.map(isAlive)).toEqual([true, true, true])
  const abortedAt = performance.now()
  controller.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  expect(performance.now() - abortedAt).toBeLessThan(20_000)
  await until(() => !pids.some(isAlive))
  expect(pids.map(isAlive)).toEqual([false, false, false])
})

test('lets a command that gets TERM finish what it does', async () => {
  const controller = new AbortController()
  const lines: string[] = []
  const running = bash(
    'trap "echo cleaned; exit 0" TERM; echo ready; while :; do sleep 0.05; done',
    {
      signal: controller.signal,
      onLine: (line) => {
        lines.push(line)
        if (line === 'ready') controller.abort(new Error('enough'))
      },
    },
  )
  await expect(running).rejects.toThrow('enough')
  expect(lines).toContain('cleaned')
})

test('does not start a command after the abort', async () => {
  const directory = await temporaryDirectory()
  const running = bash(`touch ${directory}/started`, {
    signal: AbortSignal.abort(new Error('enough')),
  })
  await expect(running).rejects.toThrow('enough')
  expect(findProgram('started', directory)).toBeUndefined()
})

test('does not wait for what a command leaves in the background, and ends it only after a failure', async () => {
  const startedAt = performance.now()
  const kept = await bash('sleep 60 & echo $!')
  const ended = await bash('sleep 60 & echo $!; exit 1')
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  const [keptPid, endedPid] = [Number(kept.lines[0]), Number(ended.lines[0])]
  expect([isAlive(keptPid), isAlive(endedPid)]).toEqual([true, false])
  process.kill(keptPid)
})

test('says what is missing or not executable', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'file'), '', { mode: 0o644 })
  await expect(bash('', { command: ['no-such-program'] })).rejects.toMatchObject({
    code: 'core/command-not-found',
    message: 'could not run `no-such-program`: there is no such program',
  })
  await expect(bash('', { command: [join(directory, 'file')] })).rejects.toMatchObject({
    code: 'core/command-not-executable',
  })
  await expect(bash('', { workingDirectory: join(directory, 'none') })).rejects.toMatchObject({
    code: 'core/no-working-directory',
  })
})

test.each([
  ['exit 127', 'exit code 127 (command not found)'],
  ['exit 1', 'exit code 1'],
  ['kill -KILL $$', 'SIGKILL (often because memory ran out)'],
  ['exit 137', 'exit code 137 (SIGKILL, often because memory ran out)'],
  ['exit 143', 'exit code 143 (SIGTERM)'],
])('explains the end of `%s`', async (script, words) => {
  const error = commandFailed(
    '`venv`',
    await bash(`echo first >&2; echo 'no space left' >&2; ${script}`),
  )
  expect(error.message).toBe(`could not run \`venv\`: it ended with ${words}: no space left`)
  expect(error.excerpt).toBe('first\nno space left')
})

test('finds bash without its start-up files, else sh, else says that there is none', async () => {
  const directory = await temporaryDirectory()
  expect(findShell(env.PATH).command.slice(1)).toEqual(['--noprofile', '--norc', '-eo', 'pipefail'])
  expect(() => findShell(directory)).toThrow(
    `neither bash nor sh is in PATH, which is \`${directory}\``,
  )
  await symlink(findProgram('sh', env.PATH) ?? '', join(directory, 'sh'))
  expect(findShell(directory)).toEqual({ name: 'sh', command: [join(directory, 'sh'), '-e'] })
})
