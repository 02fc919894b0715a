import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import type { Recipe } from './tree.ts'

const PACKAGES = {
  // Over 60,000 files and over 1 GB with what they need.
  venv: [
    'numpy',
    'scipy',
    'pandas',
    'matplotlib',
    'scikit-learn',
    'sympy',
    'django',
    'botocore',
    'transformers',
    'ansible',
  ],
  // With CUDA's libraries, which the Linux wheels depend on.
  gpu: ['torch', 'torchvision', 'transformers'],
}

/** A small package that none of the venvs holds. */
export const ONE_MORE = 'docutils==0.21.2'

/** A real venv with packages of the index, at whatever versions the index has: the cache keeps it the same from bench to bench. */
export function venvRecipe(name: keyof typeof PACKAGES): Recipe {
  const packages = PACKAGES[name]
  return { name, words: packages, make: (folder) => makeVenv(folder, packages) }
}

function makeVenv(folder: string, packages: readonly string[]): void {
  run('python3', ['-m', 'venv', folder])
  installPackages(folder, packages)
}

/** Installs with the venv's own pip. */
export function installPackages(venv: string, words: readonly string[]): void {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  run(path.join(venv, 'bin', 'python'), [...pip, ...words])
}

function run(command: string, words: string[]): void {
  const result = spawnSync(command, words, { encoding: 'utf8' })
  if (result.status !== 0) {
    const why = result.error?.message ?? result.stderr.trim().split('\n').at(-1)
    throw new Error(`${command} ${words.join(' ')} failed: ${why}`)
  }
}
