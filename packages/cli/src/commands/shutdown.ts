import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { parseGrace } from '../parse-grace.ts'
import { formatDuration } from '../reporters/format.ts'
import { parseSettings, setOption } from '../settings.ts'
import { shutDown, type ShutdownReply } from '../supervisor/shut-down.ts'
import { openStateDirectory } from '../supervisor/state-directory.ts'
import { stateDirectoryOption } from '../state-directory-option.ts'

export const shutdown = defineCommand({
  usage: 'shutdown [--wait] [--reason TEXT] [--grace 30s] [--set KEY=VALUE]…',
  description:
    'Has the running boot stop the app, save everything and take back what it did; where none runs any more, does it itself. For preStop hooks, and by hand.',
  positionals: [0, 0],
  options: {
    wait: { type: 'boolean', describe: 'return when everything is put away, not when it begins' },
    reason: { type: 'string', value: 'TEXT', describe: 'why, for the boot’s log' },
    grace: {
      type: 'string',
      value: 'DURATION',
      describe:
        'how long it may take from now; default: the boot’s own grace, and 10 minutes where none runs',
    },
    set: {
      ...setOption,
      describe: 'set a var of a boot that was killed, other than it was booted with',
    },
    json: { type: 'boolean', describe: 'print the result as JSON' },
    'state-dir': stateDirectoryOption,
  },
  run: async ({ values }) => {
    const { wait, reason, grace } = values
    const graceMs = grace === undefined ? undefined : parseGrace(grace)
    const stateDirectory = openStateDirectory(values['state-dir'], process.env)
    const set = parseSettings(values.set)
    const reply = await shutDown(stateDirectory, { wait, reason, graceMs }, set)
    if (reply.state === 'nothing') await requireRecord(stateDirectory)
    const text = values.json ? JSON.stringify(reply) : replyText(reply, stateDirectory)
    process.stdout.write(`${text}\n`)
    if (reply.state !== 'ended') return exitCodes.right
    const isRight = reply.result === 'ready' || reply.result === 'degraded'
    return isRight ? exitCodes.right : exitCodes.failed
  },
})

/** Where nothing ever ran it is rather the wrong directory. */
async function requireRecord(stateDirectory: string): Promise<void> {
  const { hasRecord } = await import('../report/record-file.ts')
  if (hasRecord(stateDirectory)) return
  const { requireLife } = await import('../report/find-life.ts')
  requireLife({ stateDirectory, env: process.env })
}

function replyText(reply: ShutdownReply, stateDirectory: string): string {
  if (reply.state === 'nothing') return `there is nothing to shut down in ${stateDirectory}`
  if (reply.state === 'begun') return 'the shutdown has begun'
  const time = formatDuration(reply.shutdownMs)
  const how = {
    ready: `everything was put away in ${time}`,
    degraded: `put away in ${time}, but for what is optional`,
    cancelled: `not everything was put away in ${time}`,
    failed: `not everything was put away in ${time}`,
  }
  return `${how[reply.result]}: ${reply.summary}`
}
