import { setTimeout as sleep } from 'node:timers/promises'
import { isBerthError } from '@berth/core/error'
import { parseInvocation } from './command.ts'
import { currentDirectory } from './current-directory.ts'
import { commandGroup, commands, selectCommand } from './commands.ts'
import { exitCodes } from './exit-codes.ts'

/** What is wrong with the command line or the recipe, whoever finds it; nothing has been done by then. */
const usageCodes = new RegExp(
  [
    '(cli|recipe)/.*',
    'archive/(bad-name|bad-pattern|store-inside)',
    'filesystem/(bad-path|system-root)',
    's3-link/(bad-(option|path|user|remote)|no-(store|remote)|not-s3)',
    'object-store/(bad-(url|endpoint|sse-key)|credentials-in-url|half-set-credentials|missing-endpoint)',
  ]
    .map((codes) => `^${codes}$`)
    .join('|'),
)

const lastWordsMs = 200

/** Does what a command line asks for, and ends the process with the exit code of that. */
export async function runCommandLine(argv: readonly string[]): Promise<never> {
  try {
    return await exitWhenWritten(await execute(argv))
  } catch (error) {
    const [{ shownError }, { errorText }] = await Promise.all([
      import('./output-mask.ts'),
      import('./reporters/error-text.ts'),
    ])
    const facts = shownError(error)
    process.stderr.write(`${errorText(facts).join('\n')}\n`)
    if (isJsonWanted(process.argv)) {
      process.stdout.write(`${JSON.stringify({ type: 'error', error: facts, time: Date.now() })}\n`)
    }
    const isUsage = isBerthError(error) && usageCodes.test(error.code)
    return exitWhenWritten(isUsage ? exitCodes.usage : exitCodes.failed)
  }
}

async function execute(argv: readonly string[]): Promise<number> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  if (own.length === 0 || own[0] === '--help' || own[0] === 'help') {
    const { overview } = await import('./usage.ts')
    process.stdout.write(overview(commands))
    return own.length === 0 ? exitCodes.usage : exitCodes.right
  }
  const group = own[1] === '--help' ? commandGroup(own[0] ?? '') : undefined
  if (group !== undefined) {
    const { groupUsage } = await import('./usage.ts')
    process.stdout.write(groupUsage(own[0] ?? '', group))
    return exitCodes.right
  }
  const { entry, args } = selectCommand(argv)
  const command = await entry.load()
  if (own.includes('--help')) {
    const { commandUsage } = await import('./usage.ts')
    process.stdout.write(commandUsage(command))
    return exitCodes.right
  }
  const invocation = parseInvocation(command, args)
  currentDirectory()
  if (process.env.HOME === undefined) (await import('./home-directory.ts')).ensureHome()
  return command.run(invocation)
}

/** For whoever reads stdout: the same event that a boot would have reported. */
function isJsonWanted(argv: readonly string[]): boolean {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  return / --(json|reporter[ =]json)(?= |$)/.test(own.join(' '))
}

/** Node writes to a pipe later, and what is not written at `process.exit` is lost. A container's end waits for no reader. */
async function exitWhenWritten(code: number): Promise<never> {
  const written = [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        // Who reads no more misses nothing.
        stream.on('error', () => resolve())
        stream.write('', () => resolve())
      }),
  )
  const all: Promise<unknown> = Promise.all(written)
  const isLife = process.argv[2] === 'boot'
  await (isLife ? Promise.race([all, sleep(lastWordsMs)]) : all)
  process.exit(code)
}
