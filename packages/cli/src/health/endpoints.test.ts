import { spawnSync } from 'node:child_process'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { LifeTeller, newLife } from '../report/tell-life.ts'
import { dawn, pipelineEvents, podLife } from '../report/testing.ts'
import { openEndpoints } from './endpoints.ts'
import { ask } from './testing.ts'

// Debian's package is for Debian's Python, which another may stand before.
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import prometheus_client']).status === 0,
)
const withPrometheus = requirement(
  'prometheus',
  python !== undefined || 'no python3 has prometheus_client',
)

async function open() {
  const teller = new LifeTeller(newLife('recipe.yaml', dawn))
  let deadline: number | undefined
  const server = await openEndpoints('127.0.0.1:0', { teller, deadline: () => deadline })
  onTestFinished(() => server.close())
  const stop = () => (deadline = Date.now() + 1000)
  return { teller, port: server.port, stop }
}

const statuses = async (port: number) =>
  Promise.all(
    ['/livez', '/startupz', '/readyz', '/readyz?strict'].map(
      async (path) => (await ask(port, path)).status,
    ),
  )

test('answers probes as the life goes on: booting, degraded, stopping', async () => {
  const { teller, port, stop } = await open()
  expect(await statuses(port)).toEqual([200, 503, 503, 503])
  const boot = pipelineEvents('boot', {
    at: [0, 1000],
    steps: [{ id: 'venv', at: [0, 900], result: 'failed', optional: true }],
  })
  for (const event of boot) teller.hear(event)
  expect(await statuses(port)).toEqual([200, 200, 503, 503])
  teller.hear({ type: 'main:start', command: ['app'], pid: 4, time: dawn + 2000 })
  expect(await statuses(port)).toEqual([200, 200, 200, 503])
  stop()
  expect(await statuses(port)).toEqual([200, 200, 503, 503])
})

test('shows its status as JSON and as a page that is 200 whatever it says, and refuses what it does not know', async () => {
  const { teller, port } = await open()
  for (const line of podLife(6800).slice(0, 4)) teller.hear(line)
  const status = await ask(port, '/status')
  expect(status.type).toBe('application/json; charset=utf-8')
  expect(JSON.parse(status.body)).toMatchObject({ state: 'booting', recipe: 'comfyui' })
  const page = await ask(port, '/')
  expect(page).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
  expect(page.body).toContain('<h1>comfyui <small>is getting ready')
  expect((await ask(port, '/', 'HEAD')).body).toBe('')
  expect((await ask(port, '/livez', 'POST')).status).toBe(405)
  expect((await ask(port, '/nothing')).status).toBe(404)
})

test('rejects where the address is taken', async () => {
  const { port } = await open()
  const source = { teller: new LifeTeller(newLife('r', 0)), deadline: () => undefined }
  await expect(openEndpoints(`127.0.0.1:${port}`, source)).rejects.toThrow('EADDRINUSE')
  await expect(openEndpoints('nonsense', source)).rejects.toThrow('is no address')
})

test('gives metrics with a series for each step, and escapes what labels hold', async () => {
  const { teller, port } = await open()
  for (const line of podLife(6800).slice(0, -1)) teller.hear(line)
  const progress = { done: 5, total: 10, unit: 'files', label: 'a "b"\n\\' } as const
  const boot = pipelineEvents('shutdown', { at: [0, 1], steps: [{ id: 'last', at: [0, 1] }] })
  for (const event of boot.slice(0, 1)) teller.hear(event)
  teller.hear({ type: 'step:progress', step: 'last', progress, time: dawn })
  const { body, type } = await ask(port, '/metrics')
  expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(body).toContain('berth_state{state="stopping"} 1\n')
  expect(body).toContain('berth_step_duration_seconds{part="boot",step="venv"} 14.9\n')
  expect(body).toContain('berth_step_result{part="boot",step="deps",result="failed"} 1\n')
  expect(body).toContain(
    'berth_step_progress{part="shutdown",step="last",label="a \\"b\\"\\n\\\\",unit="files"} 5\n',
  )
})

withPrometheus('gives metrics that Prometheus’ own parser reads', async () => {
  const { teller, port } = await open()
  for (const line of podLife(6800)) teller.hear(line)
  const { body } = await ask(port, '/metrics')
  const program = `
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    print(family.name, family.type, len(family.documentation) > 0, len(family.samples))
`
  const { stdout, stderr } = spawnSync(python ?? '', ['-c', program], {
    input: body,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const families = stdout.trimEnd().split('\n')
  expect(families).toContain('berth_step_duration_seconds gauge True 6')
  expect(families).toContain('berth_rounds counter True 1')
  expect(families.every((line) => line.split(' ')[2] === 'True')).toBe(true)
  expect(new Set(families.map((line) => line.split(' ')[0])).size).toBe(families.length)
})
