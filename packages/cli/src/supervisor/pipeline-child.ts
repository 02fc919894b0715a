import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createMark } from './mark.ts'

/** The environment variable by which everything that a pipeline started is found again after it died. */
export const pipelineMark = 'BERTH_PIPELINE'

/** How long what a dead process said last is waited for. */
const lastWordsMs = 100

/** How much of what a process prints itself is kept. */
const keptCharacters = 64 * 1024

const entry = fileURLToPath(new URL('start-pipeline.mjs', import.meta.url))

/** A pipeline's process, which has been told nothing yet. */
export interface PipelineChild {
  process: ChildProcess
  /** The value of `BERTH_PIPELINE` in it and in all that it starts. */
  mark: string
  /** Resolves, with how it ended in words, when it has exited and everything it said has been heard. */
  gone: Promise<string>
  /** The last that it printed itself, not masked, in whole lines: a bug's stack, or the engine's last words. */
  said: () => string
}

/** Starts a process for a pipeline. It loads Berth, and waits to be told which pipeline it is. */
export function startPipelineChild(env: NodeJS.ProcessEnv, directory: string): PipelineChild {
  const mark = createMark()
  const child = spawn(process.execPath, [...process.execArgv, entry], {
    detached: true,
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...env, [pipelineMark]: mark },
  })
  const ends = [child.stdout, child.stderr].map(endOf)
  return {
    process: child,
    mark,
    gone: goneOf(child),
    said: () => ends.map((end) => end()).join(''),
  }
}

/** The last whole lines of a stream: half a secret would pass the mask. */
function endOf(stream: Readable | null): () => string {
  let [text, isCut] = ['', false]
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    isCut ||= text.length > keptCharacters
    text = text.slice(-keptCharacters)
  })
  return () => (isCut ? text.slice(text.indexOf('\n') + 1) : text)
}

function goneOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let how: string | undefined
    const settle = (): void => {
      if (how !== undefined && !child.connected) resolve(how)
    }
    const closed = new Promise((settled) => child.once('close', settled))
    child.once('error', (error) => resolve(`it could not be started: ${error.message}`))
    child.once('exit', (code, signal) => {
      // Something that it left behind may hold its output open for ever.
      // A process that was busy for so long has yet to read what is there already.
      const patience = sleep(lastWordsMs).then(() => setImmediate())
      void Promise.race([closed, patience]).then(() => {
        how = signal === null ? `it ended with code ${code}` : `it was killed by ${signal}`
        settle()
      })
    })
    child.once('disconnect', settle)
  })
}
