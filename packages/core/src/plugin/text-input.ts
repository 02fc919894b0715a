import { z } from 'zod'
import { isBerthError } from '../error.ts'

/** A text input that `check` judges: the BerthError that it throws is the recipe's problem, with its own code and hint. */
export function textInput(check: (text: string) => unknown): z.ZodString {
  return z.string().superRefine((text, { addIssue }) => {
    try {
      check(text)
    } catch (error) {
      if (!isBerthError(error)) throw error
      const { code, message, hint } = error
      addIssue({ code: 'custom', message, params: { code, hint } })
    }
  })
}
