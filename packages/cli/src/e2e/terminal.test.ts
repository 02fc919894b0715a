import { spawn } from 'node:child_process'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { berth, eventually, hasCommand, Pod, RunningBerth } from './pod.ts'

const pty = 'script'
const onTerminal = requirement(pty, hasCommand(pty) || 'util-linux’s script is not installed')

/** Runs `berth boot` on a pseudo terminal of its own; everything it shows is on stdout. */
function onPty(pod: Pod, args: string, env: NodeJS.ProcessEnv = {}): RunningBerth {
  const command = `stty cols 100 rows 30; exec ${berth} boot ${pod.recipe} ${args}`
  const child = spawn(pty, ['-qec', command, '/dev/null'], {
    cwd: pod.directory,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      LOG: pod.logFile,
      BERTH_STATE_DIR: `${pod.directory}/state`,
      TERM: 'xterm',
      // Node takes a terminal in CI for one without colours.
      CI: undefined,
      NO_COLOR: undefined,
      ...env,
    },
  })
  return new RunningBerth(child)
}

const escape = '\u001B['

/** What a terminal shows in the end, without colours: follows the two codes that move the cursor. */
function screenOf(bytes: string): string[] {
  const rows: string[] = ['']
  for (const [index, part] of bytes.replaceAll('\r', '').split(escape).entries()) {
    const [code = '', count = '', verb = ''] = /^(\d*)([A-Za-z])/.exec(part) ?? []
    if (index > 0 && verb === 'A') rows.length -= Number(count)
    if (index > 0 && verb === 'J') rows[rows.length - 1] = ''
    const [first = '', ...further] = part.slice(index > 0 ? code.length : 0).split('\n')
    rows[rows.length - 1] += first
    rows.push(...further)
  }
  return rows
}

onTerminal(
  'redraws the running steps in place, and leaves the lines of `line` behind',
  async () => {
    const pod = new Pod(`
boot:
  - { id: slow, run: 'sleep 0.5; echo halfway; sleep 2' }
  - { id: beside, needs: [], run: sleep 1.2 }
shutdown: [{ id: save, run: 'true' }]
`)
    const run = onPty(pod, '-- true')
    expect((await run.ended).code).toBe(0)
    expect(run.stdout).toContain(`${escape}2A${escape}0J`)
    const screen = screenOf(run.stdout).filter((row) => row !== '')
    const shown = screen.map((row) =>
      row
        .replace(/^\S+ +/, '')
        .replace(/[\d.]+ m?s\b/g, 'N s')
        .replace(/pid \d+/, 'pid N'),
    )
    expect(shown).toEqual([
      'recipe    … boot, 2 steps',
      'slow      … started',
      'beside    … started',
      'slow      … halfway',
      'beside    ✔ N s',
      'slow      ✔ N s',
      'recipe    ✔ boot ready: 2 done, N s',
      'main      ● running true (pid N)',
      'main      ✔ ended with 0 after N s',
      'recipe    … shutdown, 1 step',
      'save      … started',
      'save      ✔ N s',
      'recipe    ✔ shutdown complete: 1 done, N s',
      'berth     ● recipe: boot ready in N s, main ended with 0, shutdown complete in N s; exit code 0',
    ])
  },
)

onTerminal('colours on a terminal, unless NO_COLOR is set', async () => {
  const recipe = 'boot: [{ id: one, run: "true" }]'
  const coloured = onPty(new Pod(recipe), '-- true')
  await coloured.ended
  expect(coloured.stdout).toContain(`${escape}32m✔`)
  const plain = onPty(new Pod(recipe), '-- true', { NO_COLOR: '1' })
  await plain.ended
  expect(plain.stdout).toContain('✔')
  expect(plain.stdout).not.toContain(`${escape}32m`)
})

onTerminal('gives main the terminal: it reads what is typed, and Ctrl-C is main’s', async () => {
  const pod = new Pod('shutdown: [{ id: save, run: echo save >> "$LOG" }]')
  const script = `trap 'echo interrupted >> "$LOG"' INT; [ -t 0 ] && echo tty >> "$LOG"; while read -r line; do echo "$line" >> "$LOG"; [ "$line" = bye ] && exit 6; done`
  const run = onPty(pod, `-- bash -c '${script.replaceAll("'", `'\\''`)}'`)
  await eventually(
    () => pod.log.includes('tty'),
    () => run.stdout,
  )
  run.child.stdin?.write('hello\n')
  await eventually(() => pod.log.includes('hello'))
  run.child.stdin?.write('\u0003')
  await eventually(() => pod.log.includes('interrupted'))
  run.child.stdin?.write('bye\n')
  expect((await run.ended).code).toBe(6)
  expect(pod.log).toEqual(['tty', 'hello', 'interrupted', 'bye', 'save'])
})
