import { Secret } from '@berth/core'
import type { MountSpec } from '../driver/driver.ts'

/** A mount's facts with its keys in the clear, for a pipe between two processes of ours and nothing else. */
export interface CarriedSpec extends Omit<MountSpec, 'credentials'> {
  keys: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
}

export function packSpec({ credentials, ...spec }: MountSpec): CarriedSpec {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const token = sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }
  return {
    ...spec,
    keys: { accessKeyId, secretAccessKey: secretAccessKey.reveal(), ...token },
  }
}

export function unpackSpec({ keys, ...spec }: CarriedSpec): MountSpec {
  const { accessKeyId, secretAccessKey, sessionToken } = keys
  return {
    ...spec,
    credentials: {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: new Secret(sessionToken) }),
    },
  }
}
