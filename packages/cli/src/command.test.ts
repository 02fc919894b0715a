import { isBerthError } from '@berth/core/error'
import { expect, test } from 'vitest'
import { defineCommand, parseInvocation } from './command.ts'
import { commands, selectCommand } from './commands.ts'
import { nearest } from './nearest.ts'
import { commandUsage, overview } from './usage.ts'

const example = defineCommand({
  usage: 'example PATH [-- COMMAND…]',
  description: 'Shows how a command is declared.',
  positionals: [1, 1],
  takesRest: true,
  options: {
    set: { type: 'string', value: 'KEY=VALUE', multiple: true, describe: 'set a var' },
    strict: { type: 'boolean', describe: 'be strict' },
    grace: { type: 'string', value: 'DURATION', describe: 'how long' },
  },
  run: async () => 0,
})

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (isBerthError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

test('reads options, arguments, and what follows `--` word for word', () => {
  const args = ['--set', 'a=1', 'here', '--set=b=2', '--strict', '--', 'app', '--set', '--']
  expect(parseInvocation(example, args)).toEqual({
    positionals: ['here'],
    rest: ['app', '--set', '--'],
    values: { set: ['a=1', 'b=2'], strict: true },
  })
})

test('gives options that are absent their empty value', () => {
  expect(parseInvocation(example, ['here'])).toEqual({
    positionals: ['here'],
    rest: undefined,
    values: { set: [], strict: false },
  })
})

test.each([
  [['here', '--strct'], 'cli/usage: the option `--strct` is unknown; did you mean `--strict`?'],
  [['here', '--xyz'], 'cli/usage: the option `--xyz` is unknown'],
  [['here', '-x'], 'cli/usage: the option `-x` is unknown'],
  [[], 'cli/usage: `berth example PATH [-- COMMAND…]` needs more arguments'],
  [['a', 'b'], 'cli/usage: `berth example PATH [-- COMMAND…]` does not take the argument `b`'],
  [['a', '--grace'], 'cli/usage: the option `--grace` needs a value: `--grace DURATION`'],
  [['a', '--strict=yes'], 'cli/usage: the option `--strict` takes no value'],
])('refuses %j', (args, message) => {
  expect(messageOf(() => parseInvocation(example, args))).toBe(message)
})

test('names the command in the hint, and none of its options', () => {
  const usage = 'archive verify --store URL [NAME]'
  const verify = defineCommand({ ...example, usage, takesRest: false })
  expect(() => parseInvocation(verify, ['a', 'b'])).toThrow(
    expect.objectContaining({ hint: 'see `berth archive verify --help`' }),
  )
})

test.each([
  [['bot'], 'cli/unknown-command: the command `bot` is unknown; did you mean `boot`?'],
  [['frobnicate'], 'cli/unknown-command: the command `frobnicate` is unknown'],
  [
    ['archive', 'lst'],
    'cli/unknown-command: the command `archive lst` is unknown; did you mean `archive list`?',
  ],
  [['archvie'], 'cli/unknown-command: the command `archvie` is unknown; did you mean `archive`?'],
  [
    ['archvie', 'list'],
    'cli/unknown-command: the command `archvie` is unknown; did you mean `archive list`?',
  ],
  [
    ['archive'],
    'cli/unknown-command: `berth archive` needs a verb: `save`, `restore`, `list`, `verify`, `prune`, `import`',
  ],
])('answers the command %j with what was meant', (args, message) => {
  expect(messageOf(() => selectCommand(args))).toBe(message)
})

test('chooses the longest name of a command', () => {
  expect(selectCommand(['archive', 'save', 'x']).args).toEqual(['x'])
  expect(selectCommand(['run', 'save']).args).toEqual(['save'])
})

test('knows the nearest name, and when none is near', () => {
  expect(nearest('valdate', ['validate', 'plan'])).toBe('validate')
  expect(nearest('x', [])).toBeUndefined()
  expect(nearest('schema', ['platform'])).toBeUndefined()
})

test('shows every command on one screen', () => {
  expect(overview(commands)).toMatchInlineSnapshot(`
    "berth: puts a container’s data in place before the app starts, and away before the container dies

    Usage: berth COMMAND [OPTION]…

      boot             boot a recipe, run the app, save everything when it ends (the ENTRYPOINT)
      run              run one pipeline of a recipe, then exit
      shutdown         have the running boot save everything and end; or do it, where none runs any more
      status           say how the container is; \`--wait\` for it, or \`--probe\` it
      report           say what a boot did and what was slow, as a timeline
      logs             print what a boot, or one of its steps, has printed
      plan             say what would happen and why; write nothing
      validate         check recipes without running or reading the environment
      smoke            boot a recipe and shut it down as platforms would, in CI
      graph            print a recipe as a flowchart of Mermaid
      schema           print the JSON Schema of recipes, for editors
      docs             print, or write into the READMEs, the option tables of the plugins
      platform         say which platform this is and what follows from it
      doctor           say what this container can do, and how to cure what it can’t
      link             make a folder lie in a bucket
      unlink           make a linked folder one on this disk again
      mounts           say how every link is, and whether the pod may be stopped
      mount-bucket     mount a bucket and put a link to it
      unmount-bucket   send what is not in a bucket yet, and unmount it
      archive save     save a directory tree into a store
      archive restore  put a saved tree back
      archive list     list the snapshots in a store
      archive verify   check that a snapshot is whole, down to every byte
      archive prune    forget old snapshots and remove what none needs
      archive import   take over an archive that another program made

    \`berth COMMAND --help\` says more. \`berth --version\` prints the version.
    Exit codes: 0 the state is right · 1 a step failed · 2 recipe or usage wrong · 3 degraded · 128+n ended by a signal
    "
  `)
})

test('generates the usage of a command from its declaration', () => {
  expect(commandUsage(example)).toMatchInlineSnapshot(`
    "Usage: berth example PATH [-- COMMAND…]

    Shows how a command is declared.

      --set KEY=VALUE …  set a var
      --strict           be strict
      --grace DURATION   how long
      --help             print this text

    Exit codes: 0 the state is right · 1 a step failed · 2 recipe or usage wrong · 3 degraded · 128+n ended by a signal
    "
  `)
})

test('loads every command of the table, each naming itself', async () => {
  for (const [name, { load }] of Object.entries(commands)) {
    expect((await load()).usage.startsWith(name)).toBe(true)
  }
})
