import { z } from 'zod'

const identifier = {
  hint: 'use letters, digits, `_` and `-`, and begin with a letter or `_`',
  // Names that an expression can write behind a dot.
  pattern: /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/,
}

/** The name of an environment variable, as a shell takes it. */
export const environmentName = () =>
  named(/^[A-Za-z_][A-Za-z0-9_]*$/, {
    code: 'recipe/bad-name',
    noun: 'the name of an environment variable',
    hint: 'use letters, digits and `_`, and begin with a letter or `_`',
  })

/** Environment variables with their values. */
export const environment = () => z.record(environmentName(), z.string())

/** The name of a variable of a recipe. */
export const variableName = () =>
  named(identifier.pattern, {
    code: 'recipe/bad-name',
    noun: 'the name of a variable',
    hint: identifier.hint,
  })

/** The name of an output of a step. */
export const outputName = () =>
  named(identifier.pattern, {
    code: 'recipe/bad-name',
    noun: 'the name of an output',
    hint: identifier.hint,
  })

/** The id of a step. */
export const stepId = () =>
  named(identifier.pattern, {
    code: 'recipe/bad-id',
    noun: 'the id of a step',
    hint: identifier.hint,
  })

function named(pattern: RegExp, fault: { code: string; noun: string; hint: string }) {
  const error = ({ input }: { input?: unknown }) => `\`${String(input)}\` cannot be ${fault.noun}`
  const { code, hint } = fault
  return z
    .string()
    .refine((text) => pattern.test(text), { error, params: { code, hint } })
    .meta({ pattern: pattern.source })
}
