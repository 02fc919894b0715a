import { isAbsolute, join } from 'node:path'
import { type Layout, layoutOf } from '../mount/layout.ts'

export interface FolderQuestion {
  inputs: { workspace: string; folder: string; user: string }
  workingDirectory: string
}

/** The folder that a step or a command is asked about. */
export function findFolder({ inputs, workingDirectory }: FolderQuestion): Layout {
  const { workspace, folder, user } = inputs
  const absolute = isAbsolute(workspace) ? workspace : join(workingDirectory, workspace)
  return layoutOf({ workspace: absolute, folder, user })
}
