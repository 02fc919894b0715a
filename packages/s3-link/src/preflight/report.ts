import { type BerthError, isBerthError } from '@berth/core/error'
import { defaultStoreUrl, type Environment } from '@berth/object-store'
import { chooseDriver } from '../driver/choose-driver.ts'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { defaultOptions } from '../driver/link-options.ts'
import { type Layout, layoutOf, type LayoutQuestion } from '../mount/layout.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { findPlaces, type Places } from '../mount/places.ts'
import { shownKey } from '../mount/shown-key.ts'
import { requireStore } from '../steps/inputs.ts'
import { type Check, failedCheck } from './check.ts'
import { checkBucket } from './check-bucket.ts'
import { checkFolder, checkRoom } from './folder-checks.ts'
import { readFuseFacts } from './fuse-facts.ts'
import { thisMachine } from './machine.ts'
import { mountChecks } from './mount-checks.ts'

export interface ReportQuestion extends LayoutQuestion {
  store: string
  env: Environment
  signal: AbortSignal
}

/** What this machine and a bucket can do for each other. */
export interface Report {
  checks: Check[]
  /** Without a usable name of a bucket, null. */
  bucket: string | null
  /** What `driver: auto` would take. */
  driver: DriverName
  /** The first that keeps a link from working. */
  error: BerthError | undefined
}

/**
 * Asks everything that a link depends on, and links nothing: mounting, settings, the folder, then the bucket from its address to removing what
 * was written. A problem of the bucket never hides one of this machine.
 */
export async function readReport(question: ReportQuestion): Promise<Report> {
  const { env, signal } = question
  const facts = await readFuseFacts(thisMachine(env['PATH']), { tries: true, asksAll: true })
  const machine = mountChecks(facts)
  const places = findPlaces(env)
  const read = readSettings(question, places)
  if ('error' in read) {
    const { driver } = choose(false)
    const checks = [...machine, failedCheck('settings', read.error)]
    return { checks, bucket: null, driver, error: read.error }
  }
  const { spec, layout } = read
  const { driver } = choose(spec.credentials.sessionToken !== undefined)
  const folder = await checkFolder(layout, places)
  const room = await checkRoom(places, layout)
  const { checks, error } = await checkBucket(spec, signal)
  return {
    checks: [...machine, toldSettings(spec), folder, ...room, ...checks],
    bucket: spec.bucket,
    driver,
    error,
  }

  function choose(sessionToken: boolean) {
    return chooseDriver({ wanted: 'auto', facts, needs: { others: false, sessionToken } })
  }
}

function readSettings(
  { store, env, ...folder }: ReportQuestion,
  places: Places,
): { spec: MountSpec; layout: Layout } | { error: BerthError } {
  try {
    const url = requireStore(store, defaultStoreUrl(env))
    // The driver is of no account here: the bucket is asked through its own API.
    const options = defaultOptions
    return {
      layout: layoutOf(folder),
      spec: createMountSpec({ store: url, env, driver: 'watch', options, places }),
    }
  } catch (error) {
    if (isBerthError(error)) return { error }
    throw error
  }
}

function toldSettings({ bucket, endpoint, region, credentials }: MountSpec): Check {
  const at = endpoint ?? 'Amazon'
  const key = shownKey(credentials.accessKeyId)
  return {
    name: 'settings',
    result: 'ok',
    said: `\`${bucket}\` at ${at} in \`${region}\`, with the key ${key}`,
  }
}

/** A check in one line, with its cure in a second where it has one. */
export function checkLines({ name, result, said, code, hint, ms }: Check): string[] {
  const took = ms === undefined ? '' : ` (${ms} ms)`
  const from = code === undefined ? '' : `  ${code}`
  if (result === 'skipped') return [`${name} – not asked`]
  return [
    `${name} ${signs[result]} ${said}${took}${from}`,
    ...(hint === undefined ? [] : [`  to fix: ${hint}`]),
  ]
}

const signs = { ok: '✔', warning: '⚠', failed: '✖', told: '·' }
