import { BerthError } from '@berth/core/error'

/** The option `--set`, the same for every command that has it. */
export const setOption = {
  type: 'string',
  value: 'KEY=VALUE',
  multiple: true,
  describe: 'set a var of the recipe',
} as const

/** Reads `--set key=value` options; the last of equal keys wins. Throws `cli/usage`. */
export function parseSettings(settings: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf('=')
      if (equals < 1) {
        throw new BerthError('cli/usage', `\`--set ${setting}\` has no \`key=value\``, {
          hint: 'write `--set store=file:///volume/store`',
        })
      }
      return [setting.slice(0, equals), setting.slice(equals + 1)]
    }),
  )
}
