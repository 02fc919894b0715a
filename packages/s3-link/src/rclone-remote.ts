import { BerthError, didYouMean } from '@berth/core'
import type { Environment } from '@berth/object-store'

/** A remote of rclone, as this package's own settings. */
export interface RcloneRemote {
  /** Of the store's URL. */
  query: Record<string, string>
  /** Keys, where the remote has its own; with `env_auth` there are none, and the environment's count. */
  env: Record<string, string>
  notes: string[]
}

/**
 * Reads a remote of the type `s3` from the text of an rclone.conf, and what the environment says of it (`RCLONE_CONFIG_<NAME>_<OPTION>`), which
 * comes first. Throws `s3-link/no-remote` and `s3-link/bad-remote`; what else a remote says that Berth does otherwise is noted.
 */
export function readRemote(text: string, name: string, env: Environment = {}): RcloneRemote {
  if (/^\s*(?:#.*\n)*RCLONE_ENCRYPT_V/m.test(text)) {
    throw new BerthError(
      's3-link/bad-remote',
      `could not use the remote \`${name}\`: rclone.conf is encrypted`,
      {
        hint: `set RCLONE_CONFIG_${variableOf(name)}_TYPE and the rest, or AWS_… without \`--remote\``,
      },
    )
  }
  const sections = parseSections(text)
  const found = new Map([...(sections.get(name) ?? []), ...variables(env, name)])
  if (found.size === 0) {
    throw new BerthError(
      's3-link/no-remote',
      `could not use the remote \`${name}\`: it is not in rclone.conf`,
      {
        hint: didYouMean(name, sections.keys()),
      },
    )
  }
  const type = found.get('type')
  if (type !== 's3') {
    throw new BerthError(
      's3-link/bad-remote',
      `could not use the remote \`${name}\`: its type is \`${type}\``,
      {
        hint: 'name a remote of the type `s3`',
      },
    )
  }
  const notes: string[] = []
  const acl = found.get('acl') ?? 'private'
  if (acl !== 'private')
    notes.push(`\`acl = ${acl}\` of \`${name}\` is left out: files stay private`)
  return {
    query: present({
      endpoint: withScheme(found.get('endpoint')),
      region: found.get('region'),
      'path-style': found.get('force_path_style'),
    }),
    env:
      found.get('env_auth') === 'true'
        ? {}
        : present({
            AWS_ACCESS_KEY_ID: found.get('access_key_id'),
            AWS_SECRET_ACCESS_KEY: found.get('secret_access_key'),
            AWS_SESSION_TOKEN: found.get('session_token'),
          }),
    notes,
  }
}

/** Whether the environment alone makes a remote, as rclone allows. */
export function isRemoteOf(env: Environment, name: string): boolean {
  return variables(env, name).length > 0
}

function variables(env: Environment, name: string): [option: string, value: string][] {
  const prefix = `RCLONE_CONFIG_${variableOf(name)}_`
  return Object.entries(env).flatMap(([key, value]) =>
    key.startsWith(prefix) && value ? [[key.slice(prefix.length).toLowerCase(), value]] : [],
  )
}

/** As rclone writes the name of a remote in a variable. */
function variableOf(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}

function parseSections(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>()
  let current: Map<string, string> | undefined
  for (const line of text.split(/\r?\n/)) {
    const [, section] = /^\s*\[([^\]]+)\]\s*$/.exec(line) ?? []
    if (section !== undefined) {
      current = new Map()
      sections.set(section, current)
      continue
    }
    const [, key, value] = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) current?.set(key, value)
  }
  return sections
}

/** rclone takes an endpoint without a scheme for https. */
function withScheme(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined || endpoint === '') return undefined
  return /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`
}

function present(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      value === undefined || value === '' ? [] : [[key, value]],
    ),
  )
}
