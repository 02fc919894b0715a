import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isInside, resolveReal } from '@berth/filesystem'
import { machineFacts } from './machine.ts'
import { type MachineFacts, type VenvFingerprint, misfit } from './venv-fingerprint.ts'

const run = promisify(execFile)

export interface VenvCheck {
  /** Absolute. */
  path: string
  ok: boolean
  /** `3.11.7`, as the interpreter says itself; empty when it did not start. */
  python: string
  /** Why it is not ok. */
  reason: string
}

// A cold interpreter on a network disk takes seconds; one that takes longer hangs.
const START_TIMEOUT_MS = 20_000
const MAX_DEPTH = 2

/** The venvs of a tree: every directory with a `pyvenv.cfg`, down to depth 2. Paths relative to the tree. */
function findVenvs(directory: string): string[] {
  const found: string[] = []
  const look = (path: string, depth: number): void => {
    const absolute = join(directory, path)
    if (existsSync(join(absolute, 'pyvenv.cfg'))) {
      found.push(path)
      return
    }
    if (depth === MAX_DEPTH) return
    for (const name of readFolders(absolute)) look(join(path, name), depth + 1)
  }
  look('', 0)
  return found
}

/** None where a directory went away meanwhile or may not be read: whether there is a venv in it can't be known. */
function readFolders(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() && entry.name !== '.berth' ? [entry.name] : [],
    )
  } catch {
    return []
  }
}

/** Starts the interpreter of every venv in the directory. Nothing is written: no bytecode, no user site. */
export async function checkVenvs(directory: string): Promise<VenvCheck[]> {
  return Promise.all(findVenvs(directory).map((path) => checkVenv(join(directory, path))))
}

async function checkVenv(path: string): Promise<VenvCheck> {
  try {
    const facts = await askInterpreter(join(path, 'bin', 'python'))
    const same = realpathSync(facts.prefix) === realpathSync(path)
    return {
      path,
      ok: same,
      python: facts.version,
      reason: same ? '' : `its interpreter uses ${facts.prefix} as its prefix`,
    }
  } catch (error) {
    return { path, ok: false, python: '', reason: describeFailure(error) }
  }
}

interface InterpreterFacts {
  version: string
  soabi: string
  prefix: string
}

// Without `json`, which alone takes as long to import as the interpreter to start.
const QUESTION =
  'import os,sys,sysconfig,encodings,zlib;sys.stdout.buffer.write(os.fsencode("\\0".join((".".join(map(str,sys.version_info[:3])),sysconfig.get_config_var("SOABI") or "",sys.prefix))))'

async function askInterpreter(python: string, signal?: AbortSignal): Promise<InterpreterFacts> {
  const { stdout } = await run(python, ['-I', '-B', '-c', QUESTION], {
    timeout: START_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  })
  const [version = '', soabi = '', prefix] = stdout.split('\0')
  if (prefix === undefined || !/^[\d.]+$/.test(version))
    throw new Error(`it answered ${JSON.stringify(stdout.slice(0, 200))}`)
  return { version, soabi, prefix }
}

function describeFailure(error: unknown): string {
  const failure = error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean }
  if (failure.code === 'ENOENT') return 'bin/python is missing, or the Python it links to is'
  if (failure.killed === true)
    return `the interpreter did not start within ${START_TIMEOUT_MS / 1000} s`
  const lastLine = (failure.stderr ?? '').trim().split('\n').at(-1) ?? ''
  return `the interpreter did not start: ${lastLine === '' ? failure.message : lastLine}`
}

/**
 * Fingerprints for a snapshot of this directory; `known` may give one without asking. A venv whose interpreter doesn't start gets
 * none: nothing is known of it.
 */
export async function fingerprintVenvs(
  directory: string,
  known: (path: string) => VenvFingerprint | undefined,
  signal?: AbortSignal,
): Promise<VenvFingerprint[]> {
  let machine: ReturnType<typeof machineFacts> | undefined
  const prints = await Promise.all(
    findVenvs(directory).map(async (path) => {
      const before = known(path)
      if (before !== undefined) return before
      const venv = join(directory, path)
      try {
        const facts = await askInterpreter(join(venv, 'bin', 'python'), signal)
        const home = readHome(venv)
        return {
          path,
          python: facts.version.split('.').slice(0, 2).join('.'),
          soabi: facts.soabi,
          // To ask the system takes longer than all else where no interpreter is asked.
          ...(await (machine ??= machineFacts())),
          prefix: venv,
          home:
            isInside(home, directory) || isInside(await resolveReal(home), directory) ? '' : home,
        }
      } catch {
        // Saving is worth more than knowing what the venv needs; the check after a restore still starts it.
        return undefined
      }
    }),
  )
  return prints.filter((print) => print !== undefined)
}

function readHome(venv: string): string {
  const line = readFileSync(join(venv, 'pyvenv.cfg'), 'utf8').match(/^home\s*=\s*(.+)$/m)
  return line?.[1]?.trim() ?? ''
}

/** Why a snapshot's venvs can't run on this machine, or `undefined`: asks the Python that each was made with. */
export async function snapshotMisfit(
  venvs: readonly VenvFingerprint[],
  machine: MachineFacts,
): Promise<string | undefined> {
  for (const venv of venvs) {
    const reason = misfit(venv, machine) ?? (venv.home === '' ? undefined : await homeMisfit(venv))
    if (reason !== undefined) return venv.path === '' ? reason : `${venv.path}: ${reason}`
  }
  return undefined
}

/** What makes the Python of these venvs available. Those of uv lie at the same place on every machine of the same user. */
export function pythonCure(venvs: readonly VenvFingerprint[]): string {
  const managed = venvs.filter(({ home }) => home.includes('/uv/python/'))
  const versions = [...new Set(managed.map(({ python }) => python))].join(' ')
  return versions === ''
    ? 'use an image with that Python'
    : `run \`uv python install ${versions}\` before the restore`
}

async function homeMisfit(venv: VenvFingerprint): Promise<string | undefined> {
  const python = join(venv.home, `python${venv.python}`)
  try {
    const facts = await askInterpreter(python)
    return facts.soabi === venv.soabi
      ? undefined
      : `${python} is built for ${facts.soabi}, the venv for ${venv.soabi}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return `it needs Python ${venv.python} as ${python}, which this machine does not have`
    return `${python} does not work: ${describeFailure(error)}`
  }
}
