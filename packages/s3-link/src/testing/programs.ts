import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ProgramEnd {
  code: number | null
  signal: string | null
  output: string
}

/** Starts one of the programs of these tests; `values` is what it is told. */
export function startProgram(path: string, values: object): ChildProcess {
  return spawn(process.execPath, [path, JSON.stringify(values)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Most of the time of a short one goes into reading the sources.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'berth-compile-cache'), ...process.env },
  })
}

/** Starts an app that writes files into a folder until SIGTERM, and logs each that it has closed. */
export function startWriter(values: { folder: string; log: string; paceMs: number }): ChildProcess {
  return startProgram(fileURLToPath(new URL('./writer-program.ts', import.meta.url)), values)
}

/** Waits for its end. */
export function endOf(child: ChildProcess): Promise<ProgramEnd> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, output })),
  )
}

/** What a writer has logged: each file that it closed, and the SHA-256 of what is in it. */
export function readLog(text: string): { name: string; sha256: string }[] {
  const lines = text.split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as { name: string; sha256: string })
}
