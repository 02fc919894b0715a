import type { Command } from './command.ts'
import type { CommandEntry } from './commands.ts'

const exitCodeLine =
  'Exit codes: 0 the state is right · 1 a step failed · 2 recipe or usage wrong · 3 degraded · 128+n ended by a signal'

/** The text of `berth --help`. */
export function overview(commands: Record<string, CommandEntry>): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return [
    'berth: puts a container’s data in place before the app starts, and away before the container dies',
    '',
    'Usage: berth COMMAND [OPTION]…',
    '',
    ...table(rows),
    '',
    '`berth COMMAND --help` says more. `berth --version` prints the version.',
    exitCodeLine,
    '',
  ].join('\n')
}

/** The text of `berth archive --help`. */
export function groupUsage(group: string, commands: Record<string, CommandEntry>): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return [
    `Usage: berth ${group} VERB [OPTION]…`,
    '',
    ...table(rows),
    '',
    `\`berth ${group} VERB --help\` says more.`,
    exitCodeLine,
    '',
  ].join('\n')
}

/** The text of `berth COMMAND --help`. */
export function commandUsage(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const value = option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''
    const short = option.short === undefined ? '' : `-${option.short}, `
    return [
      `${short}--${name}${value}${option.multiple === true ? ' …' : ''}`,
      option.describe,
    ] as const
  })
  return [
    `Usage: berth ${command.usage}`,
    '',
    command.description,
    '',
    ...table([...rows, ['--help', 'print this text']]),
    '',
    exitCodeLine,
    '',
  ].join('\n')
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
