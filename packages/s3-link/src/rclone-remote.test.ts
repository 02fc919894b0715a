import { expect, test } from 'vitest'
import { readRemote } from './rclone-remote.ts'

const config = `
[s3_remote]
type = s3
provider = Other
access_key_id = AKIA1
secret_access_key = sec=ret/+
endpoint = s3.example.com
region = eu-1
acl = public-read

[from_env]
type = s3
env_auth = true
endpoint = http://127.0.0.1:9000
force_path_style = true

[drive]
type = drive
`

test('reads a remote with keys, and leaves out what would make files public', () => {
  expect(readRemote(config, 's3_remote')).toEqual({
    query: { endpoint: 'https://s3.example.com', region: 'eu-1' },
    env: { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'sec=ret/+' },
    notes: ['`acl = public-read` of `s3_remote` is left out: files stay private'],
  })
})

test('takes the keys of the environment with env_auth', () => {
  expect(readRemote(config, 'from_env')).toEqual({
    query: { endpoint: 'http://127.0.0.1:9000', 'path-style': 'true' },
    env: {},
    notes: [],
  })
})

test.each([
  ['s3_remot', 's3-link/no-remote', 'did you mean `s3_remote`?'],
  ['drive', 's3-link/bad-remote', 'name a remote of the type `s3`'],
])('refuses the remote %s', (name, code, hint) => {
  expect(() => readRemote(config, name)).toThrow(expect.objectContaining({ code, hint }))
})

test('takes what the environment says of a remote first, also without a file', () => {
  const env = {
    RCLONE_CONFIG_S3_REMOTE_ENDPOINT: 'https://other.example.com',
    RCLONE_CONFIG_S3_REMOTE_ACCESS_KEY_ID: 'AKIA2',
    RCLONE_CONFIG_OTHER_TYPE: 's3',
  }
  expect(readRemote(config, 's3_remote', env)).toMatchObject({
    query: { endpoint: 'https://other.example.com', region: 'eu-1' },
    env: { AWS_ACCESS_KEY_ID: 'AKIA2', AWS_SECRET_ACCESS_KEY: 'sec=ret/+' },
  })
  const alone = { RCLONE_CONFIG_MY_LAB_TYPE: 's3', RCLONE_CONFIG_MY_LAB_ENV_AUTH: 'true' }
  expect(readRemote('', 'my-lab', alone)).toEqual({ query: {}, env: {}, notes: [] })
})

test('says that a file is encrypted', () => {
  const text = '# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc=\n'
  expect(() => readRemote(text, 'lab')).toThrow('rclone.conf is encrypted')
})
