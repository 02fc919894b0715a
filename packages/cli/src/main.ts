import { readFileSync } from 'node:fs'
import { errorFacts, isBerthError } from '@berth/core/error'
import { parseInvocation } from './command.ts'
import { commands, selectCommand } from './commands.ts'
import { exitCodes } from './exit-codes.ts'
import { errorText } from './reporters/error-text.ts'

/** What is wrong with the command line or the recipe, whoever finds it; nothing has been done by then. */
const usageCodes =
  /^(cli|recipe)\/|^archive\/(bad-(name|pattern)|store-inside)$|^filesystem\/(system-root|bad-path)$/

async function execute(argv: readonly string[]): Promise<number> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  if (own[0] === '--version') {
    const packageFile = new URL('../package.json', import.meta.url)
    const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
    process.stdout.write(`${version}\n`)
    return exitCodes.right
  }
  if (own.length === 0 || own[0] === '--help' || own[0] === 'help') {
    const { overview } = await import('./usage.ts')
    process.stdout.write(overview(commands))
    return own.length === 0 ? exitCodes.usage : exitCodes.right
  }
  const { entry, args } = selectCommand(argv)
  const command = await entry.load()
  if (own.includes('--help')) {
    const { commandUsage } = await import('./usage.ts')
    process.stdout.write(commandUsage(command))
    return exitCodes.right
  }
  return command.run(parseInvocation(command, args))
}

try {
  process.exit(await execute(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${errorText(errorFacts(error)).join('\n')}\n`)
  const isUsage = isBerthError(error) && usageCodes.test(error.code)
  process.exit(isUsage ? exitCodes.usage : exitCodes.failed)
}
