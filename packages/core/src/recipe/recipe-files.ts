import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { BerthError } from '../error.ts'

/** The files that a recipe is made of: itself, what it extends, its overlay, and the `plugin.yaml` of its own plugins. */
export interface RecipeFiles {
  /** The text of a file, from what was kept or from the disk. Throws `recipe/not-found` and `recipe/unreadable`. */
  read: (file: string) => Promise<string>
  /** Every text that was read, by its absolute path. */
  texts: Record<string, string>
}

/** Reads each file once; those of an earlier reading are not read again, whatever has become of them. */
export function recipeFiles(kept: Readonly<Record<string, string>> = {}): RecipeFiles {
  const texts: Record<string, string> = {}
  return {
    texts,
    read: async (file) => {
      const resolved = path.resolve(file)
      const text = texts[resolved] ?? kept[resolved] ?? (await readRecipeText(file))
      texts[resolved] = text
      return text
    },
  }
}

async function readRecipeText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const hint = 'check the path; it is relative to the current directory'
      throw new BerthError('recipe/not-found', `there is no recipe \`${file}\``, { hint, cause })
    }
    const reasons: Record<string, string> = {
      EISDIR: 'it is a directory',
      EACCES: 'permission is denied',
      ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
    }
    const reason = reasons[String(code)] ?? (cause instanceof Error ? cause.message : String(cause))
    throw new BerthError('recipe/unreadable', `could not read the recipe \`${file}\`: ${reason}`, {
      hint: 'name a text file that this user may read',
      cause,
    })
  }
}
