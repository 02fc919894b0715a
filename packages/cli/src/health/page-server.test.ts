import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { statusOf } from '../report/status.ts'
import { LifeTeller, newLife } from '../report/tell-life.ts'
import { dawn, podLife } from '../report/testing.ts'
import { openHttpServer } from './http-server.ts'
import { openPageServer } from './page-server.ts'
import { progressHeader, progressPage } from './progress-page.ts'
import { ask, bindCarelessly, freePort } from './testing.ts'

const withPython = requirement(
  'python',
  (process.platform === 'linux' && spawnSync('python3', ['--version']).status === 0) ||
    'it needs python3 and /proc',
)

async function open(port: number) {
  const teller = new LifeTeller(newLife('recipe.yaml', dawn))
  for (const line of podLife(6800).slice(0, 5)) teller.hear(line)
  const server = await openPageServer(`127.0.0.1:${port}`, { teller, deadline: () => undefined })
  onTestFinished(() => server.close())
  return server
}

test('answers every request with the page, and marks it as its own', async () => {
  const { port } = await open(0)
  for (const [path, method] of [
    ['/', 'GET'],
    ['/queue?x=1', 'GET'],
    ['/prompt', 'OPTIONS'],
  ] as const) {
    const { status, body, headers } = await ask(port, path, method)
    expect(status).toBe(200)
    expect(headers['berth-progress']).toBe('1')
    expect(body).toContain('of 5 steps')
    const [, script = ''] = /<script>([^]*?)<\/script>/.exec(body) ?? []
    const hash = createHash('sha256').update(script).digest('base64')
    expect(body).toContain(`script-src 'sha256-${hash}'`)
  }
  expect((await ask(port, '/', 'HEAD')).body).toBe('')
})

test('shows the timeline and failures, but nothing that a step printed', async () => {
  const teller = new LifeTeller(newLife('recipe.yaml', dawn))
  for (const line of podLife(6800).slice(0, 9)) teller.hear(line)
  const text = 'a line of output'
  teller.hear({ type: 'step:log', step: 'deps', level: 'output', text, time: dawn })
  const server = await openPageServer('127.0.0.1:0', { teller, deadline: () => undefined })
  onTestFinished(() => server.close())
  const { body } = await ask(server.port, '/')
  expect(body).toContain('<svg')
  expect(body).not.toContain(text)
})

/** The states of the kernel's sockets at a local port: `06` is TIME_WAIT (net/tcp_states.h). */
function socketStates(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '']) => local.endsWith(`:${hex}`))
    .map(([, , , state = '']) => state)
}

withPython(
  'leaves nothing at the address when it closes, whoever was connected, so that an app without SO_REUSEADDR can bind it',
  async () => {
    const port = await freePort()
    const server = await open(port)
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    // One that keeps its connection, one that asks to close it, one that never says a word, one that hangs up at once.
    await new Promise((resolve) => {
      get({ host: '127.0.0.1', port, agent }, (response) => response.resume().on('end', resolve))
    })
    await ask(port, '/')
    const silent = connect(port, '127.0.0.1')
    silent.on('error', () => {})
    await new Promise((resolve) => silent.once('connect', resolve))
    const half = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    half.on('error', () => {})
    half.end('GET / HTTP/1.0\r\n\r\n')
    let answered = ''
    half.setEncoding('utf8').on('data', (chunk: string) => (answered += chunk))
    await new Promise((resolve) => half.once('close', resolve))
    expect(answered).toContain('of 5 steps')

    server.close()
    expect(socketStates(port)).toEqual([])
    expect(bindCarelessly(port)).toBe('')
  },
)

withPython(
  'would see the trouble that it avoids: a server that closes first leaves TIME_WAIT',
  async () => {
    const port = await freePort()
    const { createServer } = await import('node:http')
    const server = createServer((_, response) => {
      response.writeHead(200, { Connection: 'close' }).end('bye')
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    await ask(port, '/')
    await new Promise((resolve) => server.close(resolve))
    expect(bindCarelessly(port)).toContain('Address already in use')
  },
)

const withChromium = requirement(
  'chromium',
  spawnSync('chromium', ['--version']).status === 0 || 'it is not installed',
)

withChromium(
  'renews itself in a browser, and becomes the app when that answers',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'berth-page-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const { life } = new LifeTeller(newLife('recipe.yaml', dawn))
    const status = statusOf(life, { isAlive: true, now: dawn })
    let asked = 0
    const { port, close } = await openHttpServer('127.0.0.1:0', ({ path }) => {
      if (path === '/') asked += 1
      // A proxy's error page, and the app's.
      if (asked === 3) return { status: 503, type: 'text/html', body: 'nobody there' }
      if (asked > 4) return { status: 200, type: 'text/html', body: '<p>the app itself</p>' }
      const headers = { [progressHeader]: '1' }
      return { status: 200, type: 'text/html', body: progressPage(life, status), headers }
    })
    onTestFinished(close)
    const options = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${directory}`]
    const { stdout } = await promisify(execFile)('chromium', [
      ...options,
      '--virtual-time-budget=30000',
      '--dump-dom',
      `http://127.0.0.1:${port}/`,
    ])
    expect(stdout).toContain('the app itself')
    expect(stdout).not.toContain('is getting ready')
    expect(asked).toBeGreaterThanOrEqual(6)
  },
  60_000,
)
