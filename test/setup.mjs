// Makes sure that the workspace is installed. Runs before `npm run check`, `npm test` and `npm run demo`, under any Node from 20 on,
// so it is plain JavaScript and imports nothing but Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'

const root = path.dirname(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname))
const stamp = path.join(root, 'node_modules', '.berth-install')
const lock = path.join(root, '.cache', 'install.lock')

if (!isInstalled()) {
  await withLock(() => {
    if (!isInstalled()) install()
  })
}

function isInstalled() {
  const isWhole = ['node', 'nx', 'vitest'].every((name) =>
    fs.existsSync(path.join(root, 'node_modules', '.bin', name)),
  )
  return isWhole && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted()
}

/** A digest of everything that decides what an install holds; times would lie after a checkout. */
function wanted() {
  const members = JSON.parse(read('package.json')).workspaces.flatMap((pattern) =>
    pattern.endsWith('/*')
      ? fs
          .readdirSync(path.join(root, pattern.slice(0, -2)))
          .map((name) => pattern.slice(0, -1) + name)
      : [pattern],
  )
  const files = [
    'package-lock.json',
    ...['.', ...members].map((member) => `${member}/package.json`),
  ]
  return sha256(`${process.platform} ${process.arch}\n${files.sort().map(read).join('\n')}`)
}

function install() {
  process.stderr.write('Installing the workspace (once; about half a minute) …\n')
  const started = Date.now()
  // Not `npm ci`: it refuses where a registry lacks other platforms' optional packages. `--no-save`: npm 10 would rewrite the lockfile.
  const [command, first] = process.env.npm_execpath
    ? [process.execPath, [process.env.npm_execpath]]
    : ['npm', []]
  const result = spawnSync(
    command,
    [...first, 'install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, stdio: ['ignore', 2, 2] },
  )
  if (result.status !== 0) {
    const why = result.error?.message ?? result.signal ?? `exit code ${result.status}`
    process.stderr.write(`could not install the workspace: npm install ended with ${why}\n`)
    process.exit(1)
  }
  fs.writeFileSync(stamp, wanted())
  process.stderr.write(`Installed in ${Math.round((Date.now() - started) / 1000)} s\n`)
}

/** Two commands started at once on a fresh clone must not install over each other. */
async function withLock(action) {
  fs.mkdirSync(path.dirname(lock), { recursive: true })
  while (!takeLock()) await new Promise((resolve) => setTimeout(resolve, 250))
  try {
    action()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

function takeLock() {
  try {
    fs.writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  try {
    process.kill(Number(fs.readFileSync(lock, 'utf8')), 0)
  } catch {
    fs.rmSync(lock, { force: true })
  }
  return false
}

function read(file) {
  const full = path.join(root, file)
  return fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : ''
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex')
}
