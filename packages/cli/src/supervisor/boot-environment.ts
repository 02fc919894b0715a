import { createMark } from './mark.ts'

/** The environment variable by which everything of this boot is found at its end. */
export const bootMark = 'BERTH_BOOT'

/** The environment of all that a boot starts. */
export type BootEnvironment = NodeJS.ProcessEnv & { [bootMark]: string }

export function bootEnvironment(env: NodeJS.ProcessEnv): BootEnvironment {
  return { ...env, [bootMark]: createMark() }
}
