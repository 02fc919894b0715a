/** What to do about chunks that are missing or damaged, for whoever reads one. */
export function damageHint(archive = 'NAME'): string {
  return `run \`berth archive verify --repair --name ${archive} --from DIRECTORY\` on a pod that still has the tree; else restore, with \`--at\`, an older generation that \`berth archive verify --name ${archive}\` does not list`
}

/** The same for a manifest, which no repair can build again. */
export const manifestHint =
  'restore, with `--at`, an older generation that `berth archive verify` does not list'
