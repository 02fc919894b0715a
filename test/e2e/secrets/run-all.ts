import { spawn } from 'node:child_process'

export interface Run {
  args: readonly string[]
  env: Record<string, string>
}

export interface RunEnd {
  code: number | null
  shown: string
}

/** Runs a program with each of the arguments, two at a time, and gives what each printed, in the order in which they were given. */
export async function runAll(program: string, directory: string, runs: Run[]): Promise<RunEnd[]> {
  const ends: RunEnd[] = []
  const waiting = [...runs.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, run] = next
      ends[index] = await runOne(program, directory, run)
    }
  }
  await Promise.all([work(), work()])
  return ends
}

function runOne(program: string, directory: string, { args, env }: Run): Promise<RunEnd> {
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let shown = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (shown += text))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, shown }))
  })
}
