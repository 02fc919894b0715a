import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatBytes, formatDuration } from '../reporters/format.ts'

export const platform = defineCommand({
  usage: 'platform [--json]',
  description: 'Says which platform this is and what follows from it.',
  positionals: [0, 0],
  options: { json: { type: 'boolean', describe: 'print the facts as JSON' } },
  run: async ({ values }) => {
    const { detectPlatform } = await import('@berth/platform')
    const facts = await detectPlatform({ env: process.env })
    if (values.json) {
      process.stdout.write(`${JSON.stringify(facts, undefined, 2)}\n`)
      return exitCodes.right
    }
    const limit = facts.memoryLimitBytes
    const rows: [string, string][] = [
      ['platform', facts.name],
      ['pod', facts.pod],
      ['container', yesNo(facts.container)],
      ['init (pid 1)', yesNo(facts.isInit)],
      ['grace', formatDuration(facts.graceMs)],
      ['cpus', String(facts.cpus)],
      [
        'memory',
        formatBytes(facts.memoryBytes) +
          (limit === undefined ? '' : `, limited to ${formatBytes(limit)}`),
      ],
      ['gpu', yesNo(facts.gpu)],
      ['fuse', yesNo(facts.fuse)],
      ['architecture', facts.arch + (facts.glibc === undefined ? '' : `, glibc ${facts.glibc}`)],
    ]
    process.stdout.write(rows.map(([name, value]) => `${name.padEnd(14)}${value}\n`).join(''))
    return exitCodes.right
  },
})

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
