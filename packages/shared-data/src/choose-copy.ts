export interface CopyQuestion {
  /**
   * `linked`: it is a link into the volume. `entangled`: one of the two lies in the other. `unseen`: Berth has never put it in place or
   * saved it, and the boot that might have was cut.
   */
  source: 'absent' | 'empty' | 'linked' | 'entangled' | 'incomplete' | 'unseen' | 'held'
  /** `absent` also when it is empty. `same` and `ahead` are only told apart from `held` for an update. */
  target: 'absent' | 'held' | 'same' | 'ahead'
  update: boolean
}

export interface CopyChoice {
  choice: 'copy' | 'unchanged' | 'skip'
  reason: string
  /** A user should read it. */
  warns: boolean
}

/** Decides whether a directory is copied to the volume. What the volume holds is only ever replaced by an update that is newer. */
export function chooseCopy({ source, target, update }: CopyQuestion): CopyChoice {
  switch (source) {
    case 'absent':
      return skip('it is not there')
    case 'empty':
      return skip('it is empty')
    case 'linked':
      return unchanged('it is a link to the volume')
    case 'entangled':
      return warn('it and its place on the volume are the same, or lie in one another')
    case 'incomplete':
      return warn('its restore never ended')
    case 'unseen':
      return warn('the boot ended before it was put in place, and the store may hold newer files')
    case 'held':
      return chooseByTarget(target, update)
  }
}

function chooseByTarget(target: CopyQuestion['target'], update: boolean): CopyChoice {
  if (target === 'absent') return { choice: 'copy', reason: 'the volume lacks it', warns: false }
  if (!update) return unchanged('the volume already holds it')
  if (target === 'same') return unchanged('the volume holds the same')
  if (target === 'ahead') return warn('the volume holds a newer generation')
  return { choice: 'copy', reason: 'the volume holds another state', warns: false }
}

function unchanged(reason: string): CopyChoice {
  return { choice: 'unchanged', reason, warns: false }
}

function skip(reason: string): CopyChoice {
  return { choice: 'skip', reason, warns: false }
}

function warn(reason: string): CopyChoice {
  return { choice: 'skip', reason, warns: true }
}
