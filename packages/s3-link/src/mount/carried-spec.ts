import { Secret } from '@berth/core'
import type { MountDriver, MountSpec } from '../driver/driver.ts'

/** A mount's facts with its keys in the clear, for a pipe between two processes of ours and nothing else. */
export interface CarriedSpec extends Omit<MountSpec, 'credentials'> {
  driver: MountDriver['name']
  keys: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
}

export function packSpec(
  { credentials, ...spec }: MountSpec,
  driver: MountDriver['name'],
): CarriedSpec {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const token = sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }
  return {
    ...spec,
    driver,
    keys: { accessKeyId, secretAccessKey: secretAccessKey.reveal(), ...token },
  }
}

export function unpackSpec(carried: CarriedSpec): MountSpec {
  const { keys, ...spec } = carried
  const { accessKeyId, secretAccessKey, sessionToken } = keys
  return {
    ...spec,
    endpoint: spec.endpoint ?? undefined,
    options: { ...spec.options, uid: spec.options.uid, gid: spec.options.gid },
    credentials: {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: new Secret(sessionToken) }),
    },
  }
}
