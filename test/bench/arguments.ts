import { parseArgs } from 'node:util'

export type TreeName = 'venv' | 'gpu' | 'generated'
export type TargetKind = 'ext4' | 'tmpfs' | 'directory'

export interface Link {
  roundTripMs: number
  megabits: number
}

export interface Arguments {
  /** `archive`: saves and restores. `link`: files on their way into a bucket. `start`: how soon Berth starts, and what a step costs. */
  suite: 'archive' | 'link' | 'start'
  tree: TreeName
  rounds: number
  target: TargetKind
  /** Names of what is measured; empty means everything. */
  only: string[]
  /** A small tree and one round, to see that the bench works. */
  quick: boolean
  link: Link | undefined
  /** How many processors the measured programs get. */
  cores: number | undefined
}

const usage = `npm run bench -- [--tree venv|gpu|generated] [--rounds N] [--target ext4|tmpfs|directory] [--only NAME,…]
                 [--link 20ms,1gbit] [--cores N] [--suite archive|link|start] [--quick]`

/** Throws an `Error` with the usage when it can't be understood. */
export function readArguments(words: string[]): Arguments {
  const { values } = parseArgs({
    args: words,
    options: {
      suite: { type: 'string', default: 'archive' },
      tree: { type: 'string' },
      rounds: { type: 'string' },
      target: { type: 'string' },
      only: { type: 'string' },
      link: { type: 'string' },
      cores: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const { quick, only, link, cores, rounds } = values
  const isRoot = process.getuid?.() === 0
  return {
    suite: oneOf(['archive', 'link', 'start'], values.suite),
    tree: oneOf(['venv', 'gpu', 'generated'], values.tree ?? (quick ? 'generated' : 'venv')),
    rounds: count(rounds ?? (quick ? '1' : '5')),
    target: oneOf(['ext4', 'tmpfs', 'directory'], values.target ?? (isRoot ? 'ext4' : 'directory')),
    only: only?.split(',') ?? [],
    quick,
    link: link === undefined ? undefined : readLink(link),
    cores: cores === undefined ? undefined : count(cores),
  }
}

function oneOf<Name extends string>(names: readonly Name[], word: string): Name {
  const found = names.find((name) => name === word)
  if (found === undefined) throw new Error(`\`${word}\` is none of ${names.join(', ')}\n${usage}`)
  return found
}

function count(word: string): number {
  if (!/^[1-9]\d*$/.test(word)) throw new Error(`\`${word}\` is not a number from 1 on\n${usage}`)
  return Number(word)
}

function readLink(word: string): Link {
  const match = /^(\d+)ms,([\d.]+)(gbit|mbit)$/.exec(word)
  if (match === null) throw new Error(`\`${word}\` is no link such as 20ms,1gbit\n${usage}`)
  const [, delay, rate, unit] = match
  return { roundTripMs: Number(delay), megabits: Number(rate) * (unit === 'gbit' ? 1000 : 1) }
}
