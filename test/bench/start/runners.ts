import * as fs from 'node:fs'
import * as path from 'node:path'
import { BERTH } from '../peers/berth.ts'

/** A program that runs commands one after another, as its file says. */
export interface Runner {
  name: string
  about: string
  /** What must be in PATH. */
  needs?: string
  /** Writes the file for so many commands into a folder, and answers how to run it. */
  prepare: (folder: string, steps: number) => string[]
}

/** What each step does: a shell is started for it, and that starts a program. */
const COMMAND = '/bin/true; :'

/** Where the build puts it. */
export const EXECUTABLE = path.resolve(
  import.meta.dirname,
  '../../../packages/cli/build/dist/berth',
)

/** The bare commands, Berth as it is installed in two ways, and its peers. */
export function runners(): Runner[] {
  return [
    {
      name: 'bare',
      about: 'bash, which starts a bash with a script as often',
      prepare: (folder, steps) => {
        const script = write(folder, 'bare.sh', `${COMMAND}\n`)
        const start = `bash --noprofile --norc -eo pipefail ${script}`
        return ['bash', '-c', `for _ in $(seq ${steps}); do ${start}; done`]
      },
    },
    berthRunner('berth', BERTH, 'berth run RECIPE boot, the package'),
    ...(fs.existsSync(EXECUTABLE)
      ? [berthRunner('berth-executable', EXECUTABLE, 'the same, the executable')]
      : []),
    {
      name: 'make',
      about: 'make -s with SHELL=/bin/bash',
      needs: 'make',
      prepare: (folder, steps) => {
        const all = names(steps)
        const rules = all.map((name) => `${name}:\n\t@${COMMAND}\n`)
        const file = write(folder, 'Makefile', `all: ${all.join(' ')}\n${rules.join('')}`)
        return ['make', '-s', '-f', file, 'SHELL=/bin/bash', 'all']
      },
    },
    {
      name: 'task',
      about: 'task --silent, which has its own shell and starts only the program',
      needs: 'task',
      prepare: (folder, steps) => {
        const all = names(steps)
        const calls = all.map((name) => `      - task: ${name}\n`)
        const tasks = all.map((name) => `  ${name}:\n    cmds: ['${COMMAND}']\n`)
        const text = `version: '3'\ntasks:\n  all:\n    cmds:\n${calls.join('')}${tasks.join('')}`
        return ['task', '--silent', '--taskfile', write(folder, 'Taskfile.yml', text), 'all']
      },
    },
  ]
}

function berthRunner(name: string, program: string, about: string): Runner {
  return {
    name,
    about,
    prepare: (folder, steps) => {
      const lines = names(steps).map((id) => `  - { id: ${id}, run: '${COMMAND}' }\n`)
      const file = write(folder, `${name}.yaml`, `boot:\n${lines.join('')}`)
      return [program, 'run', file, 'boot', '--state-dir', path.join(folder, `${name}-state`)]
    },
  }
}

function names(steps: number): string[] {
  return Array.from({ length: steps }, (_, index) => `step${index}`)
}

function write(folder: string, name: string, text: string): string {
  const file = path.join(folder, name)
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(file, text)
  return file
}
