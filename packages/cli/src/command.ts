import { parseArgs } from 'node:util'
import { BerthError } from '@berth/core/error'
import { nearest } from './nearest.ts'

export interface OptionDescription {
  type: 'string' | 'boolean'
  /** What the value is, for the usage text: `KEY=VALUE`. */
  value?: string
  multiple?: true
  /** One letter: `-f`. */
  short?: string
  describe: string
}

export type OptionDescriptions = Record<string, OptionDescription>

type OptionValue<Option extends OptionDescription> = Option extends { type: 'boolean' }
  ? boolean
  : Option extends { multiple: true }
    ? string[]
    : string | undefined

export interface Invocation<Options extends OptionDescriptions = OptionDescriptions> {
  positionals: string[]
  /** What came after `--`; absent where there was no `--`. */
  rest: string[] | undefined
  values: { [Name in keyof Options]: OptionValue<Options[Name]> }
}

export interface CommandDefinition<Options extends OptionDescriptions = OptionDescriptions> {
  /** What follows `berth`: `run RECIPE PIPELINE`. */
  usage: string
  description: string
  /** How many positional arguments it takes, least and most. */
  positionals: readonly [number, number]
  takesRest?: boolean
  options: Options
  /** Resolves with the exit code. */
  run: (invocation: Invocation<Options>) => Promise<number>
}

/** A command with the types of its options hidden, as the table holds it. */
export type Command = CommandDefinition

/** Declares a command; exists for the inference of its options' types. */
export function defineCommand<const Options extends OptionDescriptions>(
  definition: CommandDefinition<Options>,
): Command {
  return definition as unknown as Command
}

/** Reads a command's arguments. Throws `cli/usage`, naming the nearest option for one that is unknown. */
export function parseInvocation(command: Command, args: readonly string[]): Invocation {
  const terminator = args.indexOf('--')
  const own = terminator === -1 ? [...args] : args.slice(0, terminator)
  const rest = terminator === -1 ? undefined : args.slice(terminator + 1)
  if (rest !== undefined && command.takesRest !== true) {
    throw usageError(command, `\`berth ${command.usage}\` takes nothing after \`--\``)
  }
  refuseUnknownOptions(command, own)
  const parsed = parseOwn(command, own)
  const [least, most] = command.positionals
  if (parsed.positionals.length < least) {
    throw usageError(command, `\`berth ${command.usage}\` needs more arguments`)
  }
  if (parsed.positionals.length > most) {
    const extra = parsed.positionals[most] ?? ''
    const message = `\`berth ${command.usage}\` does not take the argument \`${extra}\``
    const isAppMeant = command.takesRest === true && rest === undefined
    throw usageError(command, message, isAppMeant ? 'put `--` before the app’s command' : undefined)
  }
  return { positionals: parsed.positionals, rest, values: parsed.values as Invocation['values'] }
}

function parseOwn(command: Command, args: string[]) {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [
      name,
      { ...parsedAs(option), multiple: option.multiple === true },
    ]),
  )
  try {
    const { positionals, values } = parseArgs({ args, options, allowPositionals: true })
    const complete: Record<string, unknown> = { ...values }
    for (const [name, option] of Object.entries(command.options)) {
      if (option.multiple === true) complete[name] ??= []
      if (option.type === 'boolean') complete[name] ??= false
    }
    return { positionals, values: complete }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') throw error
    const [, name = ''] = /--([\w-]+)/.exec(message) ?? []
    const option = command.options[name]
    throw usageError(
      command,
      option?.type === 'string'
        ? `the option \`--${name}\` needs a value: \`--${name} ${option.value ?? 'VALUE'}\``
        : `the option \`--${name}\` takes no value`,
    )
  }
}

function parsedAs({ type, short }: OptionDescription) {
  return short === undefined ? { type } : { type, short }
}

function refuseUnknownOptions(command: Command, args: string[]): void {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [name, parsedAs(option)]),
  )
  const { tokens } = parseArgs({
    args,
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option' || command.options[token.name] !== undefined) continue
    const meant = nearest(token.name, Object.keys(command.options))
    throw usageError(
      command,
      `the option \`${token.rawName}\` is unknown${meant === undefined ? '' : `; did you mean \`--${meant}\`?`}`,
    )
  }
}

function usageError(command: Command, message: string, cure?: string): BerthError {
  const verb = command.usage.split(/ (?=[A-Z[-])/)[0] ?? command.usage
  return new BerthError('cli/usage', message, { hint: cure ?? `see \`berth ${verb} --help\`` })
}
