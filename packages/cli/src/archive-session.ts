import type { SaveOptions } from '@berth/archive'
import type { Facts } from '@berth/core'
import { BerthError } from '@berth/core/error'
import { defaultStoreUrl, openStore } from '@berth/object-store'
import { exitCodeOfSignal } from './exit-codes.ts'
import { outputMask } from './output-mask.ts'
import { factsText } from './reporters/facts.ts'
import { openLineReporter } from './reporters/line.ts'
import type { Reporter } from './reporters/reporter.ts'
import { catchSignals, isStopSignal, type StopSignal } from './supervisor/signals.ts'

/** What the operations on an archive have in common. */
type ArchiveOptions = Pick<SaveOptions, 'store' | 'name' | 'signal' | 'onNote' | 'onProgress'>

export interface ArchiveRequest {
  verb: string
  store: string | undefined
  name: string
  json: boolean
}

export interface ArchiveAnswer {
  /** What is printed, as JSON with `--json`. */
  data: unknown
  /** The same for people. */
  text: string
  exitCode: number
}

/** The options that every archive command takes. */
export const archiveOptions = {
  store: {
    type: 'string',
    value: 'URL',
    describe: 'file:///path or s3://bucket/prefix; default: BERTH_STORE, then RunPod’s bucket',
  },
  name: { type: 'string', value: 'NAME', describe: 'the archive’s name, such as comfyui/venv' },
  json: { type: 'boolean', describe: 'print the result as JSON' },
} as const

/** Opens the store and runs one archive command: progress and notes to stderr, the answer to stdout, a signal cancels. */
export async function withArchive(
  request: ArchiveRequest,
  action: (options: ArchiveOptions) => Promise<ArchiveAnswer>,
): Promise<number> {
  const cancel = new AbortController()
  let stopped: StopSignal | undefined
  catchSignals().listen(({ name }) => {
    if (!isStopSignal(name)) return
    stopped ??= name
    cancel.abort(
      new BerthError(
        'cli/cancelled',
        `could not ${request.verb} \`${request.name}\`: ${name} came`,
      ),
    )
  })
  const store = await openStore(storeUrl(request.store), {
    env: process.env,
    signal: cancel.signal,
  })
  const reporter = openLineReporter(process.stderr)
  const mask = outputMask()
  try {
    const answer = await action({
      store,
      name: request.name,
      signal: cancel.signal,
      ...listeners(request, reporter, mask.text),
    })
    const text = request.json
      ? JSON.stringify(mask.value(answer.data), undefined, 2)
      : mask.text(answer.text)
    if (text !== '') process.stdout.write(`${text}\n`)
    return answer.exitCode
  } catch (error) {
    if (stopped !== undefined) return exitCodeOfSignal(stopped)
    throw error
  } finally {
    reporter.close()
    await store.close()
  }
}

function listeners(
  { verb }: ArchiveRequest,
  reporter: Reporter,
  mask: (text: string) => string,
): Pick<ArchiveOptions, 'onNote' | 'onProgress'> {
  return {
    onNote: (level, text) =>
      reporter.report({ type: 'step:log', step: verb, level, text: mask(text), time: Date.now() }),
    onProgress: ({ done, total }) =>
      reporter.report({
        type: 'step:progress',
        step: verb,
        progress: { done, total, unit: 'bytes' },
        time: Date.now(),
      }),
  }
}

function storeUrl(option: string | undefined): string {
  const url = option ?? defaultStoreUrl(process.env)
  if (url !== undefined) return url
  throw new BerthError('cli/no-store', 'no store was named', {
    hint: 'give `--store URL`, or set BERTH_STORE',
  })
}

/** `--name`, which most commands can't do without. Throws `cli/usage`. */
export function requireName(name: string | undefined): string {
  if (name !== undefined && name !== '') return name
  throw new BerthError('cli/usage', '`--name` is missing', {
    hint: 'name the archive: `--name comfyui/venv`',
  })
}

/** An archive's name where it may also stand by itself, as one argument. Throws `cli/usage` when there are two. */
export function eitherName(
  argument: string | undefined,
  option: string | undefined,
): string | undefined {
  if (argument === undefined || option === undefined || argument === option)
    return argument ?? option
  throw new BerthError('cli/usage', `two archives are named: \`${argument}\` and \`${option}\``, {
    hint: 'name one: as NAME, or with `--name`',
  })
}

/** A result in one line: what happened, and its facts. */
export function resultText(result: { result: string }): string {
  const { result: what, ...facts } = result
  const text = factsText(facts as Facts)
  return text === '' ? what : `${what}: ${text}`
}
