import { formatCount } from './format.ts'

/** An amount with its noun: `1 snapshot`, `41,812 files`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
