import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'

/** What the app says of itself: where it runs and what it imported. */
export interface AppFacts {
  runtime: string
  prefix: string
  /** Module to its version and its file. */
  modules: Record<string, [version: string, file: string]>
  nodes: string[]
  workflows: string[]
}

/** What the pods run, decided once by what the machine has. */
export interface App {
  python: string | undefined
  /** What it imports. */
  modules: string[]
  /** What this machine lacks, in words for the user. */
  lacks: string[]
}

const PACKAGES = ['requests', 'pyyaml']

/** Makes `<pod>/venv` with Python's own venv and pip, or a generated tree where Python is missing. */
export function makeVenv(pod: string): App {
  const venv = path.join(pod, 'venv')
  const python = findPython()
  if (python === undefined) {
    makeTree(venv)
    const lacks = ['no python3 with venv here: the tree is a generated one']
    return { python, modules: ['alpha', 'beta'], lacks }
  }
  mustRun(python, ['-m', 'venv', venv], 60_000)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  const installed = spawnSync(
    path.join(venv, 'bin', 'python'),
    [...pip, '--timeout=5', '--retries=1', '--only-binary=:all:', ...PACKAGES],
    { timeout: 25_000, stdio: 'ignore' },
  )
  if (installed.status === 0) return { python, modules: ['pip', 'requests', 'yaml'], lacks: [] }
  const lacks = ['the package index was not reached: the venv holds only pip']
  return { python, modules: ['pip'], lacks }
}

/** What app.py and app.mjs exit with at SIGTERM. */
export const APP_EXIT_CODE = 42

/** The command line of the app in a pod. */
export function appCommand(app: App, pod: string, portFile: string): string[] {
  const interpreter = app.python === undefined ? process.execPath : `${pod}/venv/bin/python`
  const program = path.join(import.meta.dirname, app.python === undefined ? 'app.mjs' : 'app.py')
  return [interpreter, program, pod, portFile, ...app.modules]
}

export async function askApp(port: number): Promise<AppFacts> {
  const response = await fetch(`http://127.0.0.1:${port}/`)
  return (await response.json()) as AppFacts
}

/** A user saves a workflow in the running app. */
export async function saveWorkflow(port: number, name: string, text: string): Promise<void> {
  await fetch(`http://127.0.0.1:${port}/${name}`, { method: 'POST', body: text })
}

function findPython(): string | undefined {
  const found = spawnSync('python3', ['-c', 'import ensurepip, sys, venv; print(sys.executable)'])
  return found.status === 0 ? found.stdout.toString().trim() : undefined
}

function mustRun(command: string, args: string[], timeout: number): void {
  const result = spawnSync(command, args, { timeout, encoding: 'utf8' })
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr ?? result.error}`)
  }
}

/** 1,000 small files with the links and modes of a venv. */
function makeTree(venv: string): void {
  for (const name of ['alpha', 'beta']) {
    const folder = path.join(venv, 'lib', name)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'index.mjs'), `export const version = '1.0.0'\n`)
    for (let index = 0; index < 500; index += 1) {
      fs.writeFileSync(path.join(folder, `part-${index}.mjs`), `export const part = ${index}\n`)
    }
  }
  fs.mkdirSync(path.join(venv, 'bin'))
  fs.writeFileSync(path.join(venv, 'bin', 'start'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
  fs.symlinkSync('start', path.join(venv, 'bin', 'begin'))
}
