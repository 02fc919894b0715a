/** The option `--state-dir`, the same for every command that asks of a boot. */
export const stateDirectoryOption = {
  type: 'string',
  value: 'DIRECTORY',
  describe: 'that of the boot; default: BERTH_STATE_DIR, /run/berth, …',
} as const
