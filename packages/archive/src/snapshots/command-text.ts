import type { ArchiveOptions } from '../options.ts'

/** `--name comfyui/venv --store s3://art/pods`: which archive a command is for, as a shell reads it. */
export function archiveArguments({ name, store }: Pick<ArchiveOptions, 'name' | 'store'>): string {
  return `--name ${quoted(name)} --store ${quoted(store.url)}`
}

/** A word that a POSIX shell takes as it is, or in quotes. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
