import type { Facts, FactValue } from '@berth/core'
import { formatBytes, formatCount, formatDuration } from './format.ts'

/** A step's facts in words, shortest useful form: `41,812 files, 3.1 GiB, linked: venv, cache`. */
export function factsText(facts: Facts): string {
  return Object.entries(facts)
    .map(([name, value]) => factText(name, value))
    .filter((text) => text !== '')
    .join(', ')
}

function factText(name: string, value: FactValue): string {
  if (value === null || value === '' || value === false) return ''
  if (value === true) return words(name)
  if (typeof value === 'number') return numberText(name, value)
  if (typeof value === 'string') return `${words(name)} ${value}`
  if (Array.isArray(value)) return listText(name, value)
  const inner = factsText(value)
  return inner === '' ? '' : `${words(name)} (${inner})`
}

function numberText(name: string, value: number): string {
  // The line says how long the step took anyway.
  if (value === 0 || name === 'seconds') return ''
  if (name === 'bytes') return formatBytes(value)
  if (name.endsWith('Bytes')) return `${words(name.slice(0, -5))} ${formatBytes(value)}`
  if (name.endsWith('Seconds')) return `${words(name.slice(0, -7))} ${formatDuration(value * 1000)}`
  if (name.endsWith('Ms')) return `${words(name.slice(0, -2))} ${formatDuration(value)}`
  if (name === 'changed') return `${formatCount(value)} new or changed`
  if (!name.endsWith('s')) return `${words(name)} ${formatCount(value)}`
  return `${formatCount(value)} ${value === 1 ? singular(words(name)) : words(name)}`
}

function listText(name: string, values: FactValue[]): string {
  const shown = values
    .map((value) =>
      typeof value === 'object' && value !== null ? objectText(value) : String(value),
    )
    .filter((text) => text !== '')
  return shown.length === 0 ? '' : `${words(name)}: ${shown.join(', ')}`
}

function objectText(value: FactValue[] | Record<string, FactValue>): string {
  return Array.isArray(value) ? value.map(String).join(' ') : factsText(value)
}

/** Of the last word, as the names of facts have it: `directories`, `uploaded chunks`. */
function singular(plural: string): string {
  return plural.replace(/(ie)?s$/, (_, ending) => (ending === undefined ? '' : 'y'))
}

/** `availableBytes` reads `available bytes`. */
function words(name: string): string {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/[-_]/g, ' ')
    .toLowerCase()
}
