import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveReal } from '@berth/filesystem'
import type { Move } from './relocate-text.ts'
import type { VenvFingerprint } from './venv-fingerprint.ts'

/** Where a tree stands: as it is named, and without a link on the way. */
export interface Destination {
  named: string
  real: string
}

/**
 * What must be renamed in a venv's files so that they name the place where it will stand. Where it was within a tree that is now
 * elsewhere, all of the tree moved. None for another name of the same place.
 */
export async function venvMoves(
  venv: VenvFingerprint,
  { named, real }: Destination,
): Promise<Move[]> {
  const here = join(real, venv.path)
  const names = new Set(venv.prefixes ?? [venv.prefix])
  // It comes back as it was to where it was saved; anywhere else nothing could be meant by this name.
  if (venv.named !== undefined && venv.prefix !== here) names.add(venv.named)
  const moves: Move[] = []
  for (const name of names) {
    if (!name.startsWith('/') || (await resolveReal(name)) === here) continue
    const below = `/${venv.path}`
    const root = venv.path !== '' && name.endsWith(below) ? name.slice(0, -below.length) : ''
    const move =
      root === '' ? { from: name, to: join(named, venv.path) } : { from: root, to: named }
    if (move.from !== move.to) moves.push(move)
  }
  return moves
}

/** The fingerprint of a venv that is saved from here, which may have been saved from elsewhere before. */
export function locateVenv(
  venv: VenvFingerprint,
  before: VenvFingerprint | undefined,
  { named, real }: Destination,
): VenvFingerprint {
  const prefix = join(real, venv.path)
  const isMoved = before !== undefined && before.prefix !== prefix
  const names = [
    ...(before === undefined ? [] : (before.prefixes ?? [before.prefix])),
    ...(isMoved && before.named !== undefined ? [before.named] : []),
    prefix,
    join(named, venv.path),
  ]
  const believed = readBelievedPlace(prefix)
  const { named: _named, ...rest } = venv
  return {
    ...rest,
    prefix,
    prefixes: [...new Set(names)],
    ...(believed === undefined || names.includes(believed) ? {} : { named: believed }),
  }
}

/** What `activate` says; not where it finds out by itself. */
function readBelievedPlace(venv: string): string | undefined {
  try {
    const text = readFileSync(join(venv, 'bin', 'activate'), 'utf8')
    return /^\s*(?:export\s+)?VIRTUAL_ENV=(["']?)(\/[^"'\n]*)\1\s*$/m.exec(text)?.[2]
  } catch {
    return undefined
  }
}
