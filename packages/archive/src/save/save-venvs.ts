import { resolve } from 'node:path'
import type { Manifest } from '../format/manifest.ts'
import type { TreePath } from '../format/tree.ts'
import { locateVenv } from '../venv/venv-moves.ts'
import { fingerprintVenvs } from '../venv/venv.ts'
import { type Cut, eitherSignal } from './save-cut.ts'
import type { SaveFrame } from './save-record.ts'

/**
 * The fingerprints of the tree's venvs. An interpreter takes its time to start, and a save at shutdown has none: one that was asked
 * before is not asked again, as long as its `pyvenv.cfg` is the same.
 */
export async function findFingerprints(
  { base, options, place, cut }: SaveFrame & { cut: Cut | undefined },
  isSame: (config: TreePath) => boolean,
): Promise<Manifest['venvs']> {
  const before = new Map(base.manifest?.venvs.map((venv) => [venv.path, venv]))
  const venvs = await fingerprintVenvs(
    place.directory,
    (path) =>
      isSame(path === '' ? 'pyvenv.cfg' : `${path}/pyvenv.cfg`) ? before.get(path) : undefined,
    eitherSignal(options.signal, cut?.signal),
  )
  const here = { named: resolve(options.directory), real: place.directory }
  return venvs.map((venv) => locateVenv(venv, before.get(venv.path), here))
}
