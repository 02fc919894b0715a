import type { Mount } from '@berth/filesystem'

/**
 * Reads what `mount` prints on macOS: `source on place (type, option, option)`. There are no escapes: a source ends at the first ` on /`, the
 * options begin at the last ` (`. What Linux alone tells is empty.
 */
export function parseMacMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line, index) => {
    const [, source, mountPoint, list] = /^(.*?) on (\/.*) \(([^()]*)\)$/.exec(line) ?? []
    if (source === undefined || mountPoint === undefined || list === undefined) return []
    const [type = '', ...options] = list.split(', ')
    return {
      id: index,
      parentId: 0,
      device: '',
      root: '/',
      mountPoint,
      options,
      superOptions: [],
      type,
      source,
    }
  })
}
