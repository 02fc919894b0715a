import { z } from 'zod'

const directory = z
  .string()
  .refine((path) => /^[^/\0]/.test(path) && !path.includes('\0'), {
    error: 'must be a relative path',
    params: { hint: 'name it from the directory that holds it, such as `venv`' },
    abort: true,
  })
  .refine(
    (path) => path.split('/').every((part) => !['', '.', '..', '@', '.berth'].includes(part)),
    'must not hold `.`, `..`, `@`, `.berth`, `//` or a slash at its end',
  )

/** An input that names directories below one root: at least one, none twice and none in another. */
export const directoryList = z
  .array(directory)
  .min(1)
  .superRefine((list, { addIssue }) => {
    for (const [index, path] of list.entries()) {
      const other = list.find((each, at) => at < index && overlaps(each, path))
      if (other === undefined) continue
      const message =
        other === path
          ? `\`${path}\` is given twice`
          : `one of \`${path}\` and \`${other}\` lies in the other`
      const params = { code: 'recipe/bad-value', hint: 'leave one of them out' }
      addIssue({ code: 'custom', path: [index], message, params })
    }
  })

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}
