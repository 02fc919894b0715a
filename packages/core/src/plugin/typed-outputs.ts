import { z } from 'zod'
import { BerthError } from '../error.ts'
import type { Facts, FactValue } from './outcome.ts'
import type { PluginFile } from './plugin-file.ts'

type Outputs = NonNullable<PluginFile['outputs']>

/** The zod schema of what a plugin's outputs are. What a script never wrote is left out. */
export function outputsSchema(outputs: Outputs): z.ZodType {
  const types = { string: z.string(), integer: z.int(), number: z.number(), boolean: z.boolean() }
  return z.object(
    Object.fromEntries(
      Object.entries(outputs).map(([name, { type = 'string', description }]) => {
        const schema = types[type].optional()
        return [name, description === undefined ? schema : schema.describe(description)]
      }),
    ),
  )
}

/** Texts and values as the outputs that a plugin declares. Throws `core/bad-output` for one of another name or type. */
export function typedOutputs(
  plugin: string,
  outputs: Outputs,
  written: Readonly<Record<string, unknown>>,
): Facts {
  const facts: Facts = {}
  for (const [name, value] of Object.entries(written)) {
    const declared = outputs[name]
    if (declared === undefined) {
      throw badOutput(plugin, name, 'it declares no such output', 'declare it in `outputs`')
    }
    const typed = typedValue(value, declared.type ?? 'string')
    if (typed === undefined) {
      const hint = 'write `echo "name=5" >> "$BERTH_OUTPUT"`'
      throw badOutput(plugin, name, `it must be of the type \`${declared.type}\``, hint)
    }
    facts[name] = typed
  }
  return facts
}

function typedValue(value: unknown, type: string): FactValue | undefined {
  if (type === 'string') return typeof value === 'object' ? undefined : String(value)
  if (type === 'boolean') {
    const text = String(value)
    return text === 'true' ? true : text === 'false' ? false : undefined
  }
  const number = String(value).trim() === '' ? Number.NaN : Number(value)
  return (type === 'integer' ? Number.isSafeInteger(number) : Number.isFinite(number))
    ? number
    : undefined
}

function badOutput(plugin: string, name: string, reason: string, hint: string): BerthError {
  // Without the value, which may hold what nobody has declared a secret.
  const message = `could not take the output \`${name}\` of \`${plugin}\`: ${reason}`
  return new BerthError('core/bad-output', message, { hint })
}
