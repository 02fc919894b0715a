import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Recipe } from '@berth/core'
import { BerthError } from '@berth/core/error'
import { createMark } from '../supervisor/mark.ts'
import type { Place } from './scenario.ts'

/** By which everything that a trial started is found. */
export const smokeMark = 'BERTH_SMOKE'

/** What says where one is, and who. */
const foreign = /^(AWS_|RUNPOD_|VAST_|KUBERNETES_|S3_|BERTH_|CONTAINER_ID$|_?NETWORK_VOLUME$)/

/** What a recipe's variables are told by on the platforms. */
const places = { NETWORK_VOLUME: 'pod', _NETWORK_VOLUME: 'volume', BERTH_STORE: 'store' } as const

/** Directories, a store and values for a recipe, all of them in one temporary place. */
export class Ground {
  readonly directory: string
  readonly mark = createMark()
  #recipe: Recipe
  #given: Readonly<Record<string, string>>
  #secrets: Record<string, string>
  #played = 0

  /** `given` is `--set`. */
  constructor(recipe: Recipe, given: Readonly<Record<string, string>>) {
    this.directory = mkdtempSync(join(tmpdir(), 'berth-smoke-'))
    this.#recipe = recipe
    this.#given = given
    for (const name of ['home', 'tmp', 'volume', 'pods']) mkdirSync(join(this.directory, name))
    this.#secrets = Object.fromEntries(
      recipe.secrets
        .filter((name) => !foreign.test(name))
        .map((name) => [name, process.env[name] || `smoke-${createMark()}`]),
    )
  }

  /** What must not be seen anywhere. */
  get secrets(): Record<string, string> {
    return this.#secrets
  }

  get pod(): string {
    return join(this.directory, 'pod')
  }

  get state(): string {
    return join(this.directory, `state-${this.#played}`)
  }

  /** A pod with an empty disk, at the same path as the one before. */
  renew(): void {
    if (this.#played > 0) renameSync(this.pod, join(this.directory, 'pods', String(this.#played)))
    this.#played += 1
    mkdirSync(this.pod)
    for (const path of this.#paths()) mkdirSync(path, { recursive: true })
  }

  /** `--set` for a scenario: variables that name a place are moved to here, unless they were given. */
  set({ volume }: Place): Record<string, string> {
    const own = Object.entries(this.#recipe.vars).flatMap(([name, variable]) => {
      const place = variable.env === undefined ? undefined : placeOf(variable.env)
      if (place === 'volume') return [[name, volume === true ? join(this.directory, 'volume') : '']]
      if (place === 'store') return [[name, this.#store()]]
      if (place === 'pod') return [[name, this.pod]]
      const moved = this.#moved(variable.default)
      return moved === undefined ? [] : [[name, moved]]
    })
    // An empty value counts as none given.
    const filled = own.filter(([, value]) => value !== '')
    return { ...(Object.fromEntries(filled) as Record<string, string>), ...this.#given }
  }

  /** The same, as words for `berth`. */
  setArguments(place: Place): string[] {
    return Object.entries(this.set(place)).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  }

  /** The environment of a pod. Credentials are only there when a store in S3 was given. */
  env({ volume, env }: Place): NodeJS.ProcessEnv {
    const hasBucket = Object.values(this.#given).some((value) => value.startsWith('s3://'))
    const kept = Object.entries(process.env).filter(
      ([name]) => !foreign.test(name) || (hasBucket && /^(AWS_|S3_|RUNPOD_S3_)/.test(name)),
    )
    return {
      ...Object.fromEntries(kept),
      ...this.#secrets,
      HOME: join(this.directory, 'home'),
      TMPDIR: join(this.directory, 'tmp'),
      NETWORK_VOLUME: this.pod,
      ...(volume === true ? { _NETWORK_VOLUME: join(this.directory, 'volume') } : {}),
      ...(hasBucket ? {} : { BERTH_STORE: this.#store() }),
      BERTH_STATE_DIR: this.state,
      BERTH_LINK_DIR: `${this.state}-links`,
      GROUND: this.directory,
      [smokeMark]: this.mark,
      ...env,
    }
  }

  /** Removes all of it; says why where it doesn't: what is still mounted below it is someone else's data. */
  clear(): string | undefined {
    const mounts = mountsBelow(this.directory)
    if (mounts.length > 0) return `still mounted, so nothing was removed: ${mounts.join(', ')}`
    rmSync(this.directory, { recursive: true, force: true })
    return undefined
  }

  #store(): string {
    return `file://${join(this.directory, 'store')}`
  }

  #paths(): string[] {
    return Object.values(this.#recipe.vars).flatMap(({ default: value }) => {
      return typeof value === 'string' && value.startsWith('/') ? [this.#moved(value) ?? ''] : []
    })
  }

  #moved(value: unknown): string | undefined {
    if (typeof value !== 'string') return undefined
    if (value.startsWith('/')) return join(this.pod, 'root', value)
    return /^(s3|file):\/\//.test(value) ? this.#store() : undefined
  }
}

/** Throws `cli/smoke-needs-value` for what only the user can know. */
export function requireValues(recipe: Recipe, set: Readonly<Record<string, string>>): void {
  const missing = Object.entries(recipe.vars).filter(([name, variable]) => {
    const isTold = variable.env !== undefined && process.env[variable.env]
    return variable.required && set[name] === undefined && !isTold
  })
  const [first] = missing
  if (first === undefined) return
  const names = missing.map(([name]) => `\`${name}\``).join(', ')
  throw new BerthError('cli/smoke-needs-value', `the recipe needs a value for ${names}`, {
    hint: `give it: \`--set ${first[0]}=…\``,
    at: first[1].at,
  })
}

function placeOf(variable: string): (typeof places)[keyof typeof places] | undefined {
  return Object.hasOwn(places, variable) ? places[variable as keyof typeof places] : undefined
}

function mountsBelow(directory: string): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${directory}/`))
  } catch {
    return []
  }
}
