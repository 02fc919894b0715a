import { createMask, credentialVariables, type Mask } from '../mask/mask.ts'
import type { PipelineRun } from '../run/pipeline-run.ts'
import type { RecipeValues } from './values.ts'

/** Hides the recipe's secrets and every credential of the environment. */
export function recipeMask(values: RecipeValues): Mask {
  return createMask({ ...credentialVariables(values.env), ...values.secrets })
}

/** Says which secrets are so short that hiding them would garble ordinary text. */
export function warnOfUnmaskable({ mask, emit }: Pick<PipelineRun, 'mask' | 'emit'>): void {
  if (mask.unmaskable.length === 0) return
  const names = mask.unmaskable.map((name) => `\`${name}\``).join(', ')
  emit({
    type: 'note',
    level: 'warn',
    text: `the values of ${names} are under 6 characters long, so they are not hidden in the output`,
  })
}
