import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readCommandOutput } from './command-output.ts'
import { DEFAULT_PATH, findShell } from './find-shell.ts'
import type { Mask } from '../mask/mask.ts'
import { makeScratchDirectory } from '../run/scratch-directory.ts'
import { commandFailed, spawnCommand } from './spawn-command.ts'

export interface ScriptOptions {
  /** The step's id, for messages. */
  step: string
  script: string
  shell: 'bash' | 'sh'
  env: Readonly<Record<string, string>>
  workingDirectory: string
  stateDirectory: string
  /** An existing file for the outputs, which stays; they are added to it. Unless given it is one that goes with the script. */
  outputFile?: string | undefined
  signal: AbortSignal
  mask: Mask
  warn: (text: string) => void
  /** Gets each line of the output, masked. */
  onLine: (line: string) => void
}

/**
 * Runs the script of a `run:` step and gives its outputs. The script stands in a file, because arguments are seen by every user of the
 * machine and end at 128 KiB. Throws `core/command-failed`, `core/bad-output`, `core/no-shell`, and what `spawnCommand` throws.
 */
export async function runScript(options: ScriptOptions): Promise<Record<string, string>> {
  const { PATH = DEFAULT_PATH } = options.env
  const shell = findShell(PATH, options.shell)
  if (shell.name !== options.shell) {
    options.warn('bash is not installed: sh runs this, and a failure within a pipe goes unnoticed')
  }
  const files = { output: '', script: options.script }
  const directory = makeScratchDirectory(options.stateDirectory, options.step, files)
  const outputFile = options.outputFile ?? join(directory, 'output')
  const before = options.outputFile === undefined ? 0 : statSync(outputFile).size
  const scriptFile = join(directory, 'script')
  // The shell begins its messages with the file, which means nothing to the reader: `line 3: pip: command not found` does.
  const prefix = `${scriptFile}: `
  const readable = (line: string) => (line.startsWith(prefix) ? line.slice(prefix.length) : line)
  try {
    const end = await spawnCommand({
      command: [...shell.command, scriptFile],
      env: { ...options.env, PATH, BERTH_OUTPUT: outputFile },
      workingDirectory: options.workingDirectory,
      signal: options.signal,
      mask: options.mask,
      onLine: (line) => options.onLine(readable(line)),
    })
    if (end.code !== 0) {
      const errorTail = end.errorTail.map(readable)
      throw commandFailed(`\`${options.step}\``, { ...end, errorTail })
    }
    return readCommandOutput(outputFile, before)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
