import { z } from 'zod'
import { durationFault, durationMs, durationPattern } from './parse-duration.ts'

/** A zod input for a duration: text in the recipe, milliseconds in the step. */
export function duration(): z.ZodType<number> {
  return z
    .unknown()
    .transform((value, context) => {
      const fault = durationFault(value)
      if (!fault) {
        return durationMs(String(value))
      }
      const params = { code: 'recipe/bad-duration', hint: fault.hint }
      context.issues.push({ code: 'custom', input: value, message: fault.message, params })
      return z.NEVER
    })
    .meta({ type: 'string', pattern: durationPattern })
}
