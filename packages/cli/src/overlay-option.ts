import { resolve } from 'node:path'

/** The option `--overlay`, the same for every command that has it. */
export const overlayOption = {
  type: 'string',
  value: 'FILE',
  describe: 'a recipe to put on top, if it exists; default: BERTH_OVERLAY, then the recipe’s',
} as const

/** The environment with what `--overlay` names, as every process of a boot reads it. */
export function withOverlay(
  env: NodeJS.ProcessEnv,
  overlay: string | undefined,
): NodeJS.ProcessEnv {
  return overlay === undefined ? env : { ...env, BERTH_OVERLAY: resolve(overlay) }
}
