import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Link } from './arguments.ts'
import { compileNative } from './native.ts'

/** A network of its own for the server, at the other end of a link with a delay and a rate. */
export interface Network {
  /** The server's address. */
  host: string
  /** What runs a command there. */
  within: string[]
  close: () => Promise<void>
}

const HERE = '10.253.77.1'
const THERE = '10.253.77.2'
const NAMESPACE = 'berth-bench'

// Room for whatever the windows of all connections let through: the link delays, it does not lose.
const QUEUE = ['txqueuelen', '20000']

/** Needs root and `/dev/net/tun`. Only one at a time on a machine. */
export async function openLink({ roundTripMs, megabits }: Link): Promise<Network> {
  ip('netns', 'add', NAMESPACE)
  const within = ['ip', 'netns', 'exec', NAMESPACE]
  const link = spawn(compileNative('link'), [NAMESPACE, String(roundTripMs), String(megabits)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([once(link.stdout, 'data'), once(link, 'exit')])
  if (link.exitCode !== null) {
    ip('netns', 'del', NAMESPACE)
    throw new Error('the link did not start')
  }
  ip('addr', 'add', HERE, 'peer', THERE, 'dev', 'berth0')
  ip('link', 'set', 'berth0', ...QUEUE, 'up')
  const inside = ['netns', 'exec', NAMESPACE, 'ip']
  ip(...inside, 'link', 'set', 'lo', 'up')
  ip(...inside, 'addr', 'add', THERE, 'peer', HERE, 'dev', 'berth1')
  ip(...inside, 'link', 'set', 'berth1', ...QUEUE, 'up')
  return {
    host: THERE,
    within,
    close: async () => {
      const ended = once(link, 'exit')
      link.kill()
      await ended
      ip('netns', 'del', NAMESPACE)
    },
  }
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}
