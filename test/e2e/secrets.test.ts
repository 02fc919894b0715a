import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import {
  missingS3Server,
  type S3Server,
  startS3Server,
  startStubS3,
} from '@berth/object-store/testing'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { root } from '../workspace.ts'
import { startEchoServer } from './secrets/echo-s3.ts'
import { LeakFinder } from './secrets/leaks.ts'
import { type Mistake, mistakes, SMALL_RECIPE, URL_KEY } from './secrets/mistakes.ts'
import { runAll } from './secrets/run-all.ts'
import { berth, livePod, type PodEnd, tracing } from './secrets/traced-pod.ts'

const traced = requirement('strace', tracing())
const LOUD = path.join(import.meta.dirname, 'secrets/recipe.yaml')
const OBEDIENT = 'trap "exit 0" TERM; touch "$READY"; while :; do sleep 0.02; done'

/** As they really look: what is special in a shell, a URL or JSON, and long ones. */
const SECRETS = {
  HF_TOKEN: `hf_${randomBytes(17).toString('hex')}`,
  ODD_SECRET: `p@ss "${randomBytes(6).toString('hex')}" $rd\\&+/<%>'ü{${randomBytes(9).toString('hex')}}`,
  DEPLOY_KEY: makeKey(),
  AWS_SESSION_TOKEN: randomBytes(450).toString('base64'),
}

let s3: S3Server
/** Those of the server too. */
let secrets: Record<string, string>
let leaks: LeakFinder

beforeAll(async () => {
  if (missingS3Server() !== undefined) return
  s3 = await startS3Server()
  secrets = { ...SECRETS, S3_SECRET: s3.env['AWS_SECRET_ACCESS_KEY'] ?? '', SIGNATURE }
  leaks = new LeakFinder(secrets)
})

afterAll(async () => {
  await s3?.close()
})

/** Of the recipe's presigned URLs; nobody has registered it. */
const [, SIGNATURE = ''] = /SIGNATURE: (\w{64})/.exec(fs.readFileSync(LOUD, 'utf8')) ?? []

const withServer = requirement('s3', missingS3Server() ?? true)
const tracedWithServer = missingS3Server() === undefined ? traced : withServer

tracedWithServer(
  'two lives of recipes/comfyui.yaml leave no secret in outputs, arguments, the state or the store',
  async () => {
    const home = makeHome()
    fillTrees(home)
    const env = {
      ...environment(home),
      ...s3.env,
      HF_TOKEN: SECRETS.HF_TOKEN,
      NETWORK_VOLUME: `${home}/disk`,
    }
    const recipe = path.join(root, 'recipes/comfyui.yaml')
    const main = `umask 077; env -0 > "$HOME/env-main"; echo "main says $HF_TOKEN"; ${OBEDIENT}`
    const first = await livePod({ recipe, env, main, reporter: 'line', directory: `${home}/one` })
    expect(first.code, first.stderr).toBe(0)
    // Main's own output is its own, and it has the whole environment.
    expect(first.stdout).toBe(`main says ${SECRETS.HF_TOKEN}\n`)
    expect(parseEnvironment(`${home}/env-main`)).toMatchObject(env)
    expectNoLeak(first)
    for (const file of TOKEN_FILES) {
      expect(first.stderr).toMatch(new RegExp(`${path.basename(file)}\`?.*credentials of a tool`))
    }

    fs.rmSync(`${home}/disk`, { recursive: true })
    fs.mkdirSync(`${home}/disk`)
    const second = await livePod({ recipe, env, main, reporter: 'json', directory: `${home}/two` })
    expect(second.code, second.stderr).toBe(0)
    expectNoLeak(second)
    expect(fs.readFileSync(`${home}/disk/.comfyui/ordinary`, 'utf8')).toContain(MARKER)
    for (const file of TOKEN_FILES) expect(fs.existsSync(`${home}/disk/${file}`)).toBe(false)
    expect(leaksIn(home, ['env-main'])).toEqual([])
    expectCleanStore(`${s3.directory}/pods`)
  },
  60_000,
)

for (const reporter of ['line', 'pretty', 'json'] as const) {
  tracedWithServer(
    `steps that say their secrets in every way are masked by the reporter ${reporter}`,
    async () => {
      const home = makeHome()
      const state = `${home}/life/state`
      fs.mkdirSync(`${home}/disk/tree`, { recursive: true })
      fs.writeFileSync(`${home}/disk/tree/ordinary`, MARKER)
      plantIntent(state)
      const end = await livePod({
        recipe: LOUD,
        reporter,
        env: loudEnvironment(home),
        main: OBEDIENT,
        directory: `${home}/life`,
        until: () => linesOf(`${home}/rounds`).length > 0,
      })
      const shown = `${end.stdout}${end.stderr}`
      expect(end.code, shown).toBe(1)
      expectNoLeak(end)
      expect(end.calls).toContain('canary-in-an-argument')
      expect(shown.match(/\[secret\]/g)?.length).toBeGreaterThan(100)
      for (const code of EXPECTED_CODES) expect(shown).toContain(code)

      expect(secretsOf(`${home}/env-withheld`)).toEqual([])
      expect(secretsOf(`${home}/env-named`)).toEqual(['DEPLOY_KEY', 'HF_TOKEN'])
      expect(secretsOf(`${home}/env-undo`)).toEqual(['HF_TOKEN'])
      expect(openModes(linesOf(`${home}/modes`))).toEqual([])
      // The outputs and the recipe that a shutdown needs are their owner's alone.
      const states = ['steps.json', 'undo.jsonl', 'life.json'].map((name) => `life/state/${name}`)
      const kept = ['env-named', 'env-undo', ...states]
      expect(leaksIn(home, kept)).toEqual([])
      for (const file of kept) expect(fs.statSync(`${home}/${file}`).mode & 0o077).toBe(0)
      expectCleanStore(`${s3.directory}/pods`)
    },
    60_000,
  )
}

test('no mistake with a secret, and no server, makes an error repeat it', async () => {
  const home = makeHome()
  fs.mkdirSync(`${home}/tree`)
  fs.writeFileSync(`${home}/tree/file`, 'one')
  fs.writeFileSync(`${home}/recipe.yaml`, SMALL_RECIPE)
  const echo = await startEchoServer('SignatureDoesNotMatch')
  onTestFinished(echo.close)
  const key = randomBytes(30).toString('base64')
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    ...SECRETS,
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: key,
    BERTH_STORE: `file://${home}/store`,
  }
  const { HF_TOKEN: token, ODD_SECRET: odd } = SECRETS
  const made = mistakes({ home, token, odd, echo: echo.endpoint })
  const runs = made.map((mistake, index) => ({
    args: mistake.args,
    env: { ...env, BERTH_STATE_DIR: `${home}/state-${index}`, ...mistake.env },
  }))
  const finder = new LeakFinder({ ...SECRETS, key, URL_KEY })
  for (const [index, end] of (await runAll(berth, home, runs)).entries()) {
    const { title, says } = made[index] as Mistake
    expect(end.shown, title).toContain(says)
    expect(finder.find(end.shown), title).toEqual([])
  }
}, 60_000)

test('a session token goes to the server and nowhere else', async () => {
  const home = makeHome()
  fs.mkdirSync(`${home}/tree`)
  fs.writeFileSync(`${home}/tree/file`, 'one')
  const stub = await startStubS3()
  onTestFinished(stub.close)
  const session = SECRETS.AWS_SESSION_TOKEN
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    ...stub.env,
    AWS_SESSION_TOKEN: session,
  }
  const args = ['--store', stub.url, '--name', 'one', '--json']
  const ends = [
    ...(await runAll(berth, home, [{ args: ['archive', 'save', 'tree', ...args], env }])),
    ...(await runAll(berth, home, [{ args: ['archive', 'list', ...args], env }])),
  ]
  expect(
    ends.map(({ code }) => code),
    ends[0]?.shown,
  ).toEqual([0, 0])
  const finder = new LeakFinder({ session, key: stub.env['AWS_SECRET_ACCESS_KEY'] ?? '' })
  expect(ends.flatMap(({ shown }) => finder.find(shown))).toEqual([])
  const objects = [...stub.objects]
  expect(objects.length).toBeGreaterThan(2)
  expect(objects.flatMap(([key, { body }]) => [...finder.find(key), ...finder.find(body)])).toEqual(
    [],
  )
  const sent = new Set(objects.map(([, { headers }]) => headers['x-amz-security-token']))
  expect(sent).toEqual(new Set([session]))
})

/** What each step of the loud recipe that fails must have said, to have had the chance to say a secret. */
const EXPECTED_CODES = [
  'core/command-failed',
  'core/none-of',
  'core/bad-output',
  'longer than its timeout',
  'core/unknown-undo',
  'core/no-working-directory',
  'recipe/invalid-input',
  'it holds credentials, and URLs are printed',
]

const MARKER = 'an ordinary file, which is saved'

const TOKEN_FILES = [
  '.cache/huggingface/token',
  '.cache/huggingface/stored_tokens',
  '.cache/.aws/credentials',
  '.comfyui/.netrc',
  'venv/.pypirc',
  'ComfyUI/custom_nodes/one/.git-credentials',
]

function fillTrees(home: string): void {
  for (const file of TOKEN_FILES) {
    fs.mkdirSync(path.dirname(`${home}/disk/${file}`), { recursive: true })
    fs.writeFileSync(`${home}/disk/${file}`, Object.values(secrets).join('\n'), { mode: 0o600 })
  }
  for (const name of ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']) {
    fs.writeFileSync(`${home}/disk/${name}/ordinary`, `${MARKER} in ${name}`)
  }
}

function makeHome(): string {
  const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-secrets-')))
  onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }))
  for (const name of ['disk', 'tmp']) fs.mkdirSync(`${home}/${name}`)
  return home
}

function environment(home: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TMPDIR: `${home}/tmp`,
    TERM: 'xterm-256color',
    BERTH_STORE: s3.url,
  }
}

function loudEnvironment(home: string): Record<string, string> {
  return {
    ...environment(home),
    ...SECRETS,
    RUNPOD_S3_ENDPOINT: s3.endpoint,
    RUNPOD_S3_ACCESS_KEY: s3.env['AWS_ACCESS_KEY_ID'] ?? '',
    RUNPOD_S3_SECRET_KEY: s3.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    NETWORK_VOLUME: `${home}/disk`,
    LOUD_HOME: home,
    LOUD_PROGRAM: path.join(path.dirname(LOUD), 'shout.mjs'),
    BERTH_NODE: process.execPath,
  }
}

/** Something of an earlier life to take back, which this recipe does not know how to. */
function plantIntent(state: string): void {
  fs.mkdirSync(state, { recursive: true, mode: 0o700 })
  const intent = { kind: 'intent', time: 1, id: 'one', step: 'mount', uses: 's3-link/link' }
  const line = JSON.stringify({ ...intent, pipeline: 'boot', data: { ...SECRETS } })
  fs.writeFileSync(`${state}/undo.jsonl`, `${line}\n`, { mode: 0o600 })
}

function expectNoLeak({ stdout, stderr, calls }: PodEnd): void {
  expect(leaks.find(stderr), 'standard error').toEqual([])
  expect(leaks.find(stdout.replace(/^main says .*$/m, '')), 'standard output').toEqual([])
  expect(leaks.find(calls), 'arguments').toEqual([])
  expect(calls).toContain('start-pipeline.mjs')
}

/** What holds a secret below a directory, but for the files that are known to; core files are none. */
function leaksIn(directory: string, known: readonly string[]): string[] {
  return filesBelow(directory)
    .filter((file) => !known.includes(file))
    .flatMap((file) => {
      const found = leaks.find(fs.readFileSync(path.join(directory, file)))
      const core = /(^|\/)core(\.\d+)?$/.test(file) ? ['a core file'] : []
      return [...core, ...found].map((what) => `${file}: ${what}`)
    })
}

function expectCleanStore(directory: string): void {
  const files = filesBelow(directory)
  const contents = files.map((file) => decompressed(path.join(directory, file)))
  expect(contents.some((content) => content.includes(MARKER))).toBe(true)
  expect(
    contents.flatMap((content, index) =>
      leaks.find(content).map((what) => `${files[index]}: ${what}`),
    ),
  ).toEqual([])
  expect(leaksIn(directory, [])).toEqual([])
}

function decompressed(file: string): Buffer {
  const isCompressed = file.endsWith('.zst') || file.endsWith('.hashes')
  const content = fs.readFileSync(file)
  return isCompressed ? execFileSync('zstd', ['-dc', file], { maxBuffer: 2 ** 28 }) : content
}

function filesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
}

function linesOf(file: string): string[] {
  if (!fs.existsSync(file)) return []
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

/** Of a listing `mode type path` what others than the owner could read. */
function openModes(lines: readonly string[]): string[] {
  expect(lines.some((line) => line.endsWith('/script'))).toBe(true)
  return lines.filter((line) => (Number.parseInt(line, 8) & 0o077) !== 0)
}

function parseEnvironment(file: string): Record<string, string> {
  const entries = fs
    .readFileSync(file, 'utf8')
    .split('\0')
    .filter((entry) => entry !== '')
  return Object.fromEntries(
    entries.map((entry) => [
      entry.slice(0, entry.indexOf('=')),
      entry.slice(entry.indexOf('=') + 1),
    ]),
  )
}

function secretsOf(file: string): string[] {
  const names = Object.keys(parseEnvironment(file))
  const declared = [...Object.keys(SECRETS), 'RUNPOD_S3_SECRET_KEY']
  return names.filter((name) => declared.includes(name)).toSorted()
}

function makeKey(): string {
  const lines = Array.from({ length: 8 }, () => randomBytes(48).toString('base64'))
  const frame = (word: string): string => `-----${word} OPENSSH PRIVATE KEY-----`
  return [frame('BEGIN'), ...lines, `${randomBytes(21).toString('base64')}`, frame('END'), ''].join(
    '\n',
  )
}
