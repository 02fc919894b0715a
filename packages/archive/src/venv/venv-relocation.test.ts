import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { hasVenv, requirement } from '@berth/core/testing'
import { type ObjectStore, openStore } from '@berth/object-store'
import { type StubS3, startStubS3 } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { importArchive, restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const base = newDirectory()
const place = (pod: string): string => join(base, pod, 'venv')
const A = place('a')
const name = 'pods/venv'
const python = requirement('python', hasVenv())

let server: StubS3
let store: ObjectStore

beforeAll(async () => {
  server = await startStubS3()
  store = await openStore(server.url, { env: server.env })
  if (hasVenv() !== true) return
  execFileSync('python3', ['-m', 'venv', A])
  install(A, makePackage('hello', '1'))
  install(A, '-e', makePackage('local', '1', join(A, 'src')))
}, 120_000)

afterAll(async () => {
  await store.close()
  await server.close()
  rmSync(base, { recursive: true })
})

/** A package with a console script, and a backend of its own: nothing comes from an index. */
function makePackage(packageName: string, version: string, parent = join(base, 'sources')): string {
  const directory = join(parent, `${packageName}-${version}`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    join(directory, 'pyproject.toml'),
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
  )
  writeFileSync(
    join(directory, `${packageName}.py`),
    `import sys\ndef main():\n    print("${packageName} ${version}", sys.prefix)\n`,
  )
  writeFileSync(join(directory, 'backend.py'), backend(packageName, version))
  return directory
}

function backend(packageName: string, version: string): string {
  return `
import os, zipfile
NAME, VERSION = "${packageName}", "${version}"
INFO = NAME + "-" + VERSION + ".dist-info/"
FINDER = """import sys
MAPPING = {0!r}
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        from importlib.util import spec_from_file_location
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name])
def install():
    sys.meta_path.append(Finder)
"""
def wheel(directory, files):
    name = NAME + "-" + VERSION + "-py3-none-any.whl"
    files[INFO + "METADATA"] = "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION)
    files[INFO + "WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[INFO + "entry_points.txt"] = "[console_scripts]\\n%s = %s:main\\n" % (NAME, NAME)
    files[INFO + "RECORD"] = "".join("%s,,\\n" % path for path in [*files, INFO + "RECORD"])
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return wheel(directory, {NAME + ".py": open(NAME + ".py").read()})
def build_editable(directory, config_settings=None, metadata_directory=None):
    finder = "__editable___" + NAME + "_finder"
    mapping = {NAME: os.path.abspath(NAME + ".py")}
    return wheel(directory, {
        finder + ".py": FINDER.format(mapping),
        "__editable__." + NAME + ".pth": "import %s; %s.install()\\n" % (finder, finder),
    })
`
}

function install(venv: string, ...what: string[]): void {
  run(join(venv, 'bin/pip'), '-q', 'install', '--no-index', '--no-deps', ...what)
}

function run(program: string, ...words: string[]): string {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: base,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  }
  return execFileSync(program, words, { env, encoding: 'utf8', timeout: 60_000 }).trim()
}

/** PUTs since the last look. */
function newPuts(): string[] {
  const puts = server.requests.splice(0).filter(({ method }) => method === 'PUT')
  return puts.map(({ key }) => key)
}

async function restore(directory: string, onNote?: (level: string, text: string) => void) {
  const result = await restoreTree({ store, name, directory, onNote })
  newPuts()
  return result
}

function expectToWork(venv: string, packages: Record<string, string>): void {
  for (const [script, version] of Object.entries(packages))
    expect(run(join(venv, 'bin', script))).toBe(`${script} ${version} ${venv}`)
  const shell = `. '${venv}/bin/activate' && command -v hello && echo "$VIRTUAL_ENV"`
  expect(run('/bin/sh', '-c', shell)).toBe(`${venv}/bin/hello\n${venv}`)
  expect(run(join(venv, 'bin/python'), '-c', 'import local; print(local.__file__)')).toContain(
    `${venv}/src/local-1/`,
  )
  const settings = readFileSync(join(venv, 'pyvenv.cfg'), 'utf8')
  expect(settings).toContain(`-m venv ${venv}\n`)
}

/** What names another place, compiled files and the logs of pip apart. */
function filesNaming(venv: string, text: string): string[] {
  const listed = execFileSync('sh', ['-c', 'grep -rlIF -- "$0" "$1" || :', text, venv])
  return listed.toString().split('\n').filter(Boolean)
}

python(
  'a venv that is moved twice works, and only what a user changed is saved',
  async () => {
    expectToWork(A, { hello: '1', local: '1' })
    expect(await saveTree({ store, name, directory: A })).toMatchObject({ result: 'saved' })
    const before = describeTree(A)
    const B = place('pod b')
    const notes: string[] = []
    const moved = await restore(B, (_, text) => void notes.push(text))
    expect(moved).toMatchObject({ result: 'restored' })
    const count = moved.result === 'restored' ? moved.rewritten : 0
    expect(count).toBeGreaterThan(8)
    expect(notes).toEqual([`moved from ${A} to ${B}: ${count} files rewritten`])
    expect(filesNaming(B, A)).toEqual([])
    const facts = (lines: string[]) => lines.map((line) => line.split(' ').slice(0, 5).join(' '))
    expect(facts(describeTree(B).filter((line) => !line.includes('__editable__')))).toEqual(
      facts(before.filter((line) => !line.includes('__editable__'))),
    )
    expectToWork(B, { hello: '1', local: '1' })
    expect(await saveTree({ store, name, directory: B })).toMatchObject({ result: 'unchanged' })
    tick()
    expect(await saveTree({ store, name, directory: B })).toMatchObject({ result: 'unchanged' })
    expect(newPuts()).toEqual([])

    install(B, makePackage('third', '1'))
    writeFileSync(join(B, 'bin/hello'), readFileSync(join(B, 'bin/hello'), 'utf8') + '# mine\n')
    const files = ['bin/third', 'bin/hello', 'third.py', 'third.cpython']
    const saved = await saveTree({ store, name, directory: B })
    expect(saved).toMatchObject({ result: 'saved', sibling: false, deleted: 0 })
    expect(saved.result === 'saved' ? saved.changed : 0).toBeLessThan(files.length + 8)
    expect(await saveTree({ store, name, directory: B })).toMatchObject({ result: 'unchanged' })

    const C = place('c')
    await restore(C)
    expect(filesNaming(C, A)).toEqual([])
    expect(filesNaming(C, B)).toEqual([])
    expectToWork(C, { hello: '1', local: '1', third: '1' })
    expect(readFileSync(join(C, 'bin/hello'), 'utf8')).toContain('# mine')
    expect(await saveTree({ store, name, directory: C })).toMatchObject({ result: 'unchanged' })
    expect(newPuts()).toEqual([])
    run(join(C, 'bin/pip'), '-q', 'uninstall', '-y', 'hello', 'local', 'third')
    expect(readdirSync(join(C, 'bin'))).not.toContain('hello')
    install(C, makePackage('hello', '2'))
    expect(run(join(C, 'bin/hello'))).toBe(`hello 2 ${C}`)

    rmSync(dirname(A), { recursive: true })
    const back = await restore(A)
    expect(back.result === 'restored' ? back.rewritten : 0).toBeGreaterThan(0)
    expectToWork(A, { hello: '1', local: '1', third: '1' })
  },
  180_000,
)

python('what was compiled stays valid: nothing is compiled again after a move', async () => {
  const D = place('d')
  await restore(D)
  const { stderr } = spawnSync(join(D, 'bin/python'), ['-v', '-c', 'import pip, local'], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  const written = stderr.split('\n').filter((line) => line.startsWith('# wrote '))
  expect(written.filter((line) => !line.includes('__editable__'))).toEqual([])
  expect(stderr).toContain(`/pip/__pycache__/__init__`)
})

python(
  'a venv that was imported comes from where its files say, not from where it was unpacked',
  async () => {
    const old = join(base, 'old')
    const imported = join(base, 'imported')
    mkdirSync(old)
    execFileSync('tar', ['-cf', join(old, 'venv.tar'), '-C', A, '.'])
    const source = await openStore(`file://${old}`, { env: {} })
    await importArchive({ store, name: 'imported/venv', source, keepLinks: true })
    const notes: string[] = []
    await restoreTree({
      store,
      name: 'imported/venv',
      directory: imported,
      onNote: (_, text) => notes.push(text),
    })
    expect(notes).toEqual([expect.stringContaining(`moved from ${A} to ${imported}: `)])
    expect(readFileSync(join(imported, 'bin/hello'), 'utf8')).toContain(imported)
  },
)
