import { BerthError } from '@berth/core/error'
import type { Command } from './command.ts'
import { nearest } from './nearest.ts'

export interface CommandEntry {
  summary: string
  load: () => Promise<Command>
}

/** Every command: its line in the overview, and its module, loaded when it is called. */
export const commands: Record<string, CommandEntry> = {
  boot: {
    summary: 'boot a recipe, run the app, save everything when it ends (the ENTRYPOINT)',
    load: async () => (await import('./commands/boot.ts')).boot,
  },
  run: {
    summary: 'run one pipeline of a recipe, then exit',
    load: async () => (await import('./commands/run.ts')).run,
  },
  shutdown: {
    summary: 'have the running boot save everything and end; or do it, where none runs any more',
    load: async () => (await import('./commands/shutdown.ts')).shutdown,
  },
  status: {
    summary: 'say how the container is; `--wait` for it, or `--probe` it',
    load: async () => (await import('./commands/status.ts')).status,
  },
  report: {
    summary: 'say what a boot did and what was slow, as a timeline',
    load: async () => (await import('./commands/report.ts')).report,
  },
  logs: {
    summary: 'print what a boot, or one of its steps, has printed',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  plan: {
    summary: 'say what would happen and why; write nothing',
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  validate: {
    summary: 'check recipes without running or reading the environment',
    load: async () => (await import('./commands/validate.ts')).validate,
  },
  smoke: {
    summary: 'boot a recipe and shut it down as platforms would, in CI',
    load: async () => (await import('./commands/smoke.ts')).smoke,
  },
  graph: {
    summary: 'print a recipe as a flowchart of Mermaid',
    load: async () => (await import('./commands/graph.ts')).graph,
  },
  schema: {
    summary: 'print the JSON Schema of recipes, for editors',
    load: async () => (await import('./commands/schema.ts')).schema,
  },
  docs: {
    summary: 'print, or write into the READMEs, the option tables of the plugins',
    load: async () => (await import('./commands/docs.ts')).docs,
  },
  platform: {
    summary: 'say which platform this is and what follows from it',
    load: async () => (await import('./commands/platform.ts')).platform,
  },
  doctor: {
    summary: 'say what this container can do, and how to cure what it can’t',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  link: {
    summary: 'make a folder lie in a bucket',
    load: async () => (await import('./commands/link.ts')).link,
  },
  unlink: {
    summary: 'make a linked folder one on this disk again',
    load: async () => (await import('./commands/unlink.ts')).unlink,
  },
  mounts: {
    summary: 'say how every link is, and whether the pod may be stopped',
    load: async () => (await import('./commands/mounts.ts')).mounts,
  },
  'mount-bucket': {
    summary: 'mount a bucket and put a link to it',
    load: async () => (await import('./commands/mount-bucket.ts')).mountBucket,
  },
  'unmount-bucket': {
    summary: 'send what is not in a bucket yet, and unmount it',
    load: async () => (await import('./commands/unmount-bucket.ts')).unmountBucket,
  },
  'archive save': {
    summary: 'save a directory tree into a store',
    load: async () => (await import('./commands/archive-save.ts')).archiveSave,
  },
  'archive restore': {
    summary: 'put a saved tree back',
    load: async () => (await import('./commands/archive-restore.ts')).archiveRestore,
  },
  'archive list': {
    summary: 'list the snapshots in a store',
    load: async () => (await import('./commands/archive-list.ts')).archiveList,
  },
  'archive verify': {
    summary: 'check that a snapshot is whole, down to every byte',
    load: async () => (await import('./commands/archive-verify.ts')).archiveVerify,
  },
  'archive prune': {
    summary: 'forget old snapshots and remove what none needs',
    load: async () => (await import('./commands/archive-prune.ts')).archivePrune,
  },
  'archive import': {
    summary: 'take over an archive that another program made',
    load: async () => (await import('./commands/archive-import.ts')).archiveImport,
  },
}

/** Splits arguments into the command they name and the rest. Throws `cli/unknown-command` with what was probably meant. */
export function selectCommand(args: readonly string[]): { entry: CommandEntry; args: string[] } {
  const [first = '', second = ''] = args
  for (const [name, used] of [
    [`${first} ${second}`, 2],
    [first, 1],
  ] as const) {
    const entry = commands[name]
    if (entry !== undefined) return { entry, args: args.slice(used) }
  }
  const isGroup = Object.keys(commands).some((name) => name.startsWith(`${first} `))
  const wanted = isGroup && second !== '' && !second.startsWith('-') ? `${first} ${second}` : first
  const words = isGroup ? [] : Object.keys(commands).map((name) => name.split(' ')[0] ?? name)
  const meant = nearest(wanted, [...Object.keys(commands), ...words])
  const whole = commands[`${meant} ${second}`] === undefined ? meant : `${meant} ${second}`
  throw new BerthError(
    'cli/unknown-command',
    isGroup && wanted === first
      ? `\`berth ${first}\` needs a verb: ${verbsOf(first)}`
      : `the command \`${wanted}\` is unknown${meant === undefined ? '' : `; did you mean \`${whole}\`?`}`,
    { hint: 'see `berth --help`' },
  )
}

/** The commands of a group such as `archive`; `undefined` where the word is none. */
export function commandGroup(word: string): Record<string, CommandEntry> | undefined {
  const members = Object.entries(commands).filter(([name]) => name.startsWith(`${word} `))
  return members.length === 0 ? undefined : Object.fromEntries(members)
}

function verbsOf(group: string): string {
  return Object.keys(commands)
    .filter((name) => name.startsWith(`${group} `))
    .map((name) => `\`${name.slice(group.length + 1)}\``)
    .join(', ')
}
