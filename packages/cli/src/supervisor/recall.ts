import { BerthError } from '@berth/core/error'
import type { KeptVariables } from './kept-variables.ts'
import type { Life } from './life-file.ts'

/** What a life is ended with. */
export interface Recalled {
  env: NodeJS.ProcessEnv
  set: Record<string, string>
  /** What whoever asks should know of them. */
  notes: string[]
}

/**
 * The values that a life was booted with, wherever it is ended from: what the environment lacks is as it was at the boot, and `--set` of
 * today counts before all. Throws `cli/other-values` where the environment says something else, or lacks what is not kept.
 */
export function recallValues(
  life: Life,
  { env, set }: { env: NodeJS.ProcessEnv; set: Record<string, string> },
): Recalled {
  const { variables } = life
  if (variables === undefined) return { env, set: { ...life.set, ...set }, notes: [] }
  for (const name of Object.keys(set)) {
    if (Object.hasOwn(variables.vars, name)) continue
    throw new BerthError('cli/usage', `the recipe \`${life.recipe}\` has no variable \`${name}\``)
  }
  const problems = [...differences(variables, { env, set }), ...missing(variables, { env, set })]
  if (problems.length > 0) {
    const many = problems.length === 1 ? 'a value is' : `${problems.length} values are`
    const message = `could not put the boot of \`${life.recipe}\` away: ${many} not what it booted with`
    throw new BerthError('cli/other-values', message, { problems })
  }
  const recalled = Object.entries(variables.env).flatMap(([name, value]) =>
    value === null || env[name] || isSet(variables, name, set) ? [] : [[name, value] as const],
  )
  return {
    env: { ...env, ...Object.fromEntries(recalled) },
    set: { ...life.set, ...set },
    notes: [...settings(variables, set), ...secrets(variables, env)],
  }
}

interface Today {
  env: NodeJS.ProcessEnv
  set: Record<string, string>
}

function differences({ env: kept, ...variables }: KeptVariables, today: Today): BerthError[] {
  return Object.entries(kept).flatMap(([name, value]) => {
    const now = today.env[name]
    if (!now || now === value || isSet(variables, name, today.set)) return []
    const was = value === null ? 'was not set' : `was \`${value}\``
    return problem(
      `\`${name}\` is \`${now}\`, and ${was} at the boot`,
      `\`unset ${name}\`${orSet(variables, name)}`,
    )
  })
}

function missing({ unkept, ...variables }: KeptVariables, today: Today): BerthError[] {
  const gone = unkept.filter((name) => !today.env[name] && !isSet(variables, name, today.set))
  return gone.flatMap((name) =>
    problem(
      `\`${name}\` is not set, and was at the boot; its value is not kept`,
      `set \`${name}\` as at the boot${orSet(variables, name)}`,
    ),
  )
}

function problem(message: string, hint: string): BerthError[] {
  return [new BerthError('cli/other-values', message, { hint })]
}

/** The vars that an environment variable gives. */
function varsOf({ vars }: Pick<KeptVariables, 'vars'>, name: string): string[] {
  return Object.keys(vars).filter((each) => vars[each]?.env === name)
}

function isSet(
  variables: Pick<KeptVariables, 'vars'>,
  name: string,
  set: Record<string, string>,
): boolean {
  const vars = varsOf(variables, name)
  return vars.length > 0 && vars.every((each) => Boolean(set[each]))
}

function orSet(variables: Pick<KeptVariables, 'vars'>, name: string): string {
  const vars = varsOf(variables, name)
  return vars.length === 0 ? '' : `, or give ${vars.map((each) => `\`--set ${each}=…\``).join(' ')}`
}

function settings({ vars }: KeptVariables, set: Record<string, string>): string[] {
  return Object.entries(set).flatMap(([name, value]) => {
    const was = vars[name]?.value
    if (was === undefined || was === value) return []
    return [`\`${name}\` is \`${value}\`, as \`--set\` says; the boot had \`${was}\``]
  })
}

function secrets({ secrets: names }: KeptVariables, env: NodeJS.ProcessEnv): string[] {
  const gone = names.filter((name) => !env[name])
  if (gone.length === 0) return []
  const list = gone.map((name) => `\`${name}\``).join(', ')
  return [`the boot had the secret ${list}, which is not set now: what needs it will fail`]
}
