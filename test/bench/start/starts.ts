import * as fs from 'node:fs'
import * as path from 'node:path'
import { BERTH } from '../peers/berth.ts'
import { EXECUTABLE } from './runners.ts'

/** Something that starts, and is timed until it has ended or, of a container, until the app starts. */
export interface Start {
  name: string
  about: string
  /** The name of what it is compared with. */
  over?: string
  /** At most, over that where there is one. */
  targetMs?: number
  needs?: string
  /** What is run; of a container it ends with the app. */
  command: (app: readonly string[], recipe: string) => string[]
  isContainer?: true
}

const newPids = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']

/** Node, the command that does nothing else, and a container that boots an empty recipe, each beside what it can't be faster than. */
export function starts(): Start[] {
  const boot = (name: string, about: string, words: readonly string[]): Start => ({
    name,
    about,
    over: 'tini',
    needs: 'tini',
    isContainer: true,
    command: (app, recipe) => [...newPids, ...words, 'boot', recipe, '--', ...app],
  })
  const hasExecutable = fs.existsSync(EXECUTABLE)
  return [
    { name: 'node', about: 'node -e 0', command: () => [process.execPath, '-e', '0'] },
    ...(hasExecutable ? [version('executable', EXECUTABLE, 45)] : []),
    version('package', BERTH),
    {
      name: 'tini',
      about: 'the app under tini alone, in a pid namespace of its own',
      needs: 'tini',
      isContainer: true,
      command: (app) => [...newPids, 'tini', '--', ...app],
    },
    ...(hasExecutable
      ? [
          {
            ...boot('boot, executable', 'the app under tini and the executable, empty recipe', [
              'tini',
              '--',
              EXECUTABLE,
            ]),
            targetMs: 120,
          },
          boot(
            'boot, executable as PID 1',
            'the same, where Berth itself has to hand over to tini',
            [EXECUTABLE],
          ),
        ]
      : []),
    boot('boot, package', 'the app under tini and the package', ['tini', '--', BERTH]),
  ]
}

function version(kind: string, program: string, targetMs?: number): Start {
  return {
    name: `version, ${kind}`,
    about: `berth --version, the ${kind}`,
    ...(targetMs === undefined ? {} : { targetMs }),
    command: () => [program, '--version'],
  }
}

/** Writes the empty recipe into a folder. */
export function writeEmptyRecipe(folder: string): string {
  const file = path.join(folder, 'empty.yaml')
  fs.writeFileSync(file, 'name: empty\n')
  return file
}
