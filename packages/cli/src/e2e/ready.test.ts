import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, Pod } from './pod.ts'

/** Answers to HTTP on a port of its own, which it writes to `port`, with 503 as long as there is no file `warm`. */
const server = `
const { existsSync, writeFileSync } = require('node:fs')
const server = require('node:http').createServer((request, response) => {
  response.writeHead(existsSync('warm') ? 204 : 503).end()
})
server.listen(Number(process.env.PORT), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
`

const deferred = `
grace: 10s
boot:
  - { id: first, run: 'echo first >> "$LOG"' }
  - { id: models, defer: true, run: 'echo models >> "$LOG"' }
  - { id: last, run: 'echo last >> "$LOG"' }
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`
const patient = `trap 'exit 0' TERM; while [ ! -e go ]; do sleep 0.05; done; echo main >> "$LOG"; touch ready; while :; do sleep 0.05; done`

/** A port that is free at the moment, and stays so where nobody else takes it: the kernel hands out others first. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

test.each(['http', 'tcp'])('waits for main to answer to %s', async (kind) => {
  const port = await freePort()
  const where =
    kind === 'http' ? `http: "http://127.0.0.1:\${{ vars.port }}/"` : `tcp: "127.0.0.1:${port}"`
  const pod = new Pod(`
vars: { port: { default: "${port}" } }
main: { command: [node, server.cjs], ready: { ${where} } }
`)
  pod.write('server.cjs', server)
  if (kind === 'tcp') pod.write('warm', '')
  const run = pod.boot([], { PORT: String(port) })
  await eventually(() => run.stderr.includes('running node'))
  if (kind === 'http') {
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(run.stderr).not.toContain('ready after')
    pod.write('warm', '')
  }
  await eventually(
    () => /main +✔ ready after/.test(run.stderr),
    () => run.stderr,
  )
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
})

test('warns before main starts that a stranger has the port of which it is to show itself', async () => {
  const stranger = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void stranger.close())
  const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
  const pod = new Pod(`main: { command: ['true'], ready: { http: "${url}" } }\n`)
  const run = pod.boot()
  expect((await run.ended).code).toBe(0)
  const warning = run.stderr.indexOf(`\`${url}\` answers already: another process has the port`)
  expect(warning).toBeGreaterThan(-1)
  expect(run.stderr.indexOf('running true')).toBeGreaterThan(warning)
})

test('begins the deferred steps when main is ready, in a process of their own', async () => {
  const pod = new Pod(`${deferred}main: { ready: { file: ready } }\n`)
  const run = pod.boot(['--', 'sh', '-c', patient])
  await eventually(() => run.stderr.includes('running sh'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(pod.log).toEqual(['first', 'last'])
  pod.write('go', '')
  await eventually(
    () => pod.log.includes('models'),
    () => run.stderr,
  )
  await eventually(
    () => run.stderr.includes('✔ deferred complete: 1 done'),
    () => run.stderr,
  )
  expect(run.stderr).toMatch(/… deferred, 1 step\n/)
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['first', 'last', 'main', 'models', 'save'])
})

test('begins the deferred steps though main is not ready in its time, and says so', async () => {
  const pod = new Pod(`${deferred}main: { ready: { file: ready, timeout: 200ms } }\n`)
  const run = pod.boot(['--', 'sh', '-c', patient])
  await eventually(() => pod.log.includes('models'))
  await eventually(() => run.stderr.includes('main is not ready after'))
  expect(run.stderr).not.toContain('✔ ready after')
  pod.write('go', '')
  await eventually(() => run.stderr.includes('✔ ready after'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
})

test('begins the deferred steps at once where there is no main, and says with --strict that they failed', async () => {
  const pod = new Pod(deferred.replace('echo models >> "$LOG"', 'echo models >> "$LOG"; exit 1'))
  const run = pod.boot(['--strict'])
  await eventually(() => /models +✖ failed/.test(run.stderr))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(3)
  expect(pod.log).toEqual(['first', 'last', 'models', 'save'])
})

test('cancels a deferred step when the shutdown begins, and takes back what it began', async () => {
  const pod = new Pod(
    deferred.replace(
      `run: 'echo models >> "$LOG"'`,
      `run: 'echo models >> "$LOG"; sleep 60; echo never >> "$LOG"', undo: 'echo undone >> "$LOG"'`,
    ),
  )
  const run = pod.boot(['--', 'sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.05; done'])
  await eventually(() => pod.log.includes('models'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['first', 'last', 'models', 'save', 'undone'])
})

test('runs no deferred step when the boot failed', async () => {
  const pod = new Pod(deferred.replace('echo last >> "$LOG"', 'exit 1'))
  expect((await pod.boot(['--', 'true']).ended).code).toBe(1)
  expect(pod.log).toEqual(['first', 'save'])
})
