import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ask, freePort } from '../health/testing.ts'
import { eventually, Pod, type RunningBerth } from './pod.ts'

/** Takes the port as an app does, and says so. */
const app = `
require('node:http')
  .createServer((_, answer) => answer.end('the app'))
  .listen(Number(process.env.PORT), '0.0.0.0')
  .on('error', (error) => { console.error(error.code); process.exit(9) })
`

async function statusOf(port: number, path: string): Promise<number> {
  return ask(port, path).then(
    ({ status }) => status,
    () => 0,
  )
}

async function until(run: RunningBerth, check: () => Promise<boolean>): Promise<void> {
  for (let holds = false; !holds; holds = await check()) {
    await eventually(
      () => run.child.exitCode === null,
      () => run.stderr,
    )
  }
}

test('answers probes from the first step on, and lends main’s port to a page until main starts', async () => {
  const [listen, port] = [await freePort(), await freePort()]
  const pod = new Pod(`
name: healthy
vars: { probes: { env: PROBES } }
health: { listen: "127.0.0.1:\${{ vars.probes }}", progress: ${port} }
boot: [{ id: gate, run: 'until [ -e "$GATE" ]; do sleep 0.05; done' }]
main: { command: [node, -e, "eval(process.env.APP)"], ready: { tcp: ${port} } }
shutdown: [{ id: save, run: 'until [ -e "$LATE" ]; do sleep 0.05; done' }]
`)
  const [gate, late] = [join(pod.directory, 'gate'), join(pod.directory, 'late')]
  const env = { PROBES: String(listen), PORT: String(port), APP: app, GATE: gate, LATE: late }
  const run = pod.boot(['--grace', '30s'], env)
  await until(run, async () => (await statusOf(listen, '/livez')) === 200)
  await until(run, async () => (await statusOf(port, '/')) === 200)
  expect(await statusOf(listen, '/startupz')).toBe(503)
  expect((await ask(port, '/anything')).headers).toHaveProperty('berth-progress')
  // The recipe's name is known a little later than the page is served.
  const named = 'healthy <small>is getting ready'
  await until(run, async () => (await ask(port, '/anything')).body.includes(named))

  writeFileSync(gate, '')
  await until(run, async () => (await statusOf(listen, '/readyz')) === 200)
  expect((await ask(port, '/')).body).toBe('the app')
  expect(run.stderr).not.toContain('answers already')
  expect((await ask(listen, '/metrics')).body).toContain('berth_state{state="ready"} 1')

  run.kill('SIGTERM')
  await until(run, async () => (await statusOf(listen, '/readyz')) === 503)
  expect(JSON.parse((await ask(listen, '/status')).body)).toMatchObject({ state: 'stopping' })
  writeFileSync(late, '')
  expect((await run.ended).code).toBe(143)
  expect(await statusOf(listen, '/livez')).toBe(0)
})

test('boots with a warning where an address is taken, and refuses one that is none', async () => {
  const holder = createServer()
  const port = await freePort()
  await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void holder.close())
  const pod = new Pod('boot: [{ id: a, run: "true" }]')
  const run = pod.boot(['--health', `127.0.0.1:${port}`, '--', 'sleep', '0.3'])
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toContain(
    `the health endpoints can't be served at 127.0.0.1:${port}: another process has the port`,
  )
  const wrong = pod.boot(['--health', 'nowhere', '--', 'true'])
  expect((await wrong.ended).code).toBe(2)
  expect(wrong.stderr).toContain('cli/bad-address')
})
