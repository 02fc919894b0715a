import { scanFolder } from './scan-folder.ts'

/** What lies in a folder, by names relative to it: regular files, and folders, the folder itself (``) included, the deepest first. */
export interface ListedFolder {
  files: string[]
  folders: string[]
}

/** Lists a folder without following links. What can't be read is left out, and so is what is neither file nor folder. */
export async function listFolder(root: string): Promise<ListedFolder> {
  const files: string[] = []
  const folders: string[] = []
  await scanFolder(
    root,
    {
      file: (name) => void files.push(name),
      folder: (name) => void folders.push(name),
      other: () => undefined,
      unreadable: () => undefined,
    },
    { isOurs: () => false },
  )
  return { files, folders: folders.toSorted((one, other) => other.length - one.length) }
}
