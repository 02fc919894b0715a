import { z } from 'zod'

const directory = z
  .string()
  .refine((path) => /^[^/\0]/.test(path) && !path.includes('\0'), {
    error: 'must be a relative path',
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
        other === path ? 'must not be given twice' : `must not overlap with \`${other}\``
      addIssue({ code: 'custom', path: [index], message })
    }
  })

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}
