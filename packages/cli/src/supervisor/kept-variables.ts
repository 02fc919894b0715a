import { credentialVariables } from '@berth/core/mask'
import type { LoadedRecipe } from '../load.ts'
import { outputMask } from '../output-mask.ts'

/** What a boot took from its environment, for whoever ends its life in another one. No value that may be secret. */
export interface KeptVariables {
  /** The recipe's vars as they were resolved; without a value where it may be a secret. */
  vars: Record<string, { env?: string; value?: string }>
  /** What the environment variables were that the life reads; null: unset or empty. */
  env: Record<string, string | null>
  /** Others that were set and that the recipe's expressions read: only that they were is kept. */
  unkept: string[]
  /** The declared secrets that were set. */
  secrets: string[]
}

/** Where the volume is, and what `--overlay` named. */
const always = ['NETWORK_VOLUME', 'BERTH_OVERLAY']

/** By what a platform tells one pod from another. */
const ofPods = ['RUNPOD_POD_ID', 'VAST_CONTAINERLABEL', 'POD_NAME', 'SLURM_JOB_ID']

/** `env.NAME` or `env['NAME']`, and not the `env` of something else. */
const reading = /(?<![.\w])env(?:\.([A-Za-z_]\w*)|\[\s*'([^']+)'\s*\])/g

/** What is to be kept of the values that a recipe was loaded with. */
export function keepVariables(
  { recipe, values, kept: text }: LoadedRecipe,
  { env, set }: { env: Readonly<Record<string, string | undefined>>; set: Record<string, string> },
): KeptVariables {
  const mask = outputMask()
  const isSecret = (name: string, value: string): boolean =>
    recipe.secrets.includes(name) ||
    Object.keys(credentialVariables({ [name]: value.padEnd(32) + '.' })).length > 0 ||
    mask.text(value) !== value
  const kept: KeptVariables = { vars: {}, env: {}, unkept: [], secrets: [] }
  const unkept = new Set<string>()
  const keep = (name: string): void => {
    const value = env[name] ?? ''
    if (isSecret(name, value)) unkept.add(name)
    else kept.env[name] = value === '' ? null : value
  }
  for (const [name, { env: source }] of Object.entries(recipe.vars)) {
    const value = String(values.vars[name] ?? '')
    kept.vars[name] = {
      ...(source === undefined ? {} : { env: source }),
      ...(isSecret(source ?? name, value) ? {} : { value }),
    }
    // What `--set` gave is kept as such.
    if (source !== undefined && !set[name]) keep(source)
  }
  const read = /\bplatform\b/.test(text) ? [...always, ...ofPods] : always
  for (const name of read) if (env[name] && !(name in kept.env)) keep(name)
  for (const [, plain, quoted] of text.matchAll(reading)) unkept.add(plain ?? quoted ?? '')
  kept.unkept = [...unkept].filter(
    (name) => env[name] && !(name in kept.env) && !Object.hasOwn(recipe.env, name),
  )
  kept.secrets = recipe.secrets.filter((name) => env[name] && !kept.unkept.includes(name))
  return kept
}

/** The vars as far as they are known, for a line of a log: `home=/a, store=file:///s`. */
export function variablesText({ vars }: Pick<KeptVariables, 'vars'>): string {
  const known = Object.entries(vars).flatMap(([name, { value }]) =>
    value === undefined || value === '' ? [] : [`${name}=${value}`],
  )
  const text = known.join(', ')
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}
