import { BOOT, type Failure, SAVE } from './failure.ts'
import { changeStore } from './spoil.ts'

/** Faults of a server, or of what leads to it. `BERTH_STORE` and the keys are right until they are spoilt. */
export const refusals: Failure[] = [
  {
    title: 'a server that is down',
    code: 'object-store/unreachable',
    says: `could not ask s3://berth-test/pods?endpoint=http://127.0.0.1:0: http://127.0.0.1:0: connection refused (ECONNREFUSED) (some tries)  object-store/unreachable
  To fix: check the endpoint http://127.0.0.1:0 and that this machine can reach it
`,
    command: BOOT,
    spoil: (world) => changeStore(world, /endpoint=.*/, 'endpoint=http://127.0.0.1:1'),
  },
  {
    title: 'an endpoint without TLS that is asked for it',
    code: 'object-store/unreachable',
    says: `could not ask s3://berth-test/pods?endpoint=https://127.0.0.1:0: https://127.0.0.1:0: EPROTO: the TLS handshake failed, wrong version number  object-store/unreachable
  To fix: check that https://127.0.0.1:0 has the right scheme (http or https) and a certificate that this machine trusts (NODE_EXTRA_CA_CERTS)
`,
    spoil: (world) => changeStore(world, 'endpoint=http:', 'endpoint=https:'),
  },
  {
    title: 'a secret key that is wrong',
    code: 'object-store/bad-credentials',
    says: `could not ask s3://berth-test/pods?endpoint=http://127.0.0.1:0: 403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your key and signing method  object-store/bad-credentials
  To fix: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, for temporary keys AWS_SESSION_TOKEN, and this machine's clock
`,
    spoil: ({ env }) => {
      env['AWS_SECRET_ACCESS_KEY'] = 'this-is-not-the-secret'
    },
  },
  {
    title: 'a key that the server does not know',
    code: 'object-store/bad-credentials',
    spoil: ({ env }) => {
      env['AWS_ACCESS_KEY_ID'] = 'AKIAUNKNOWN'
    },
  },
  {
    title: 'no keys at all',
    code: 'object-store/no-credentials',
    spoil: ({ env }) => {
      delete env['AWS_ACCESS_KEY_ID']
      delete env['AWS_SECRET_ACCESS_KEY']
    },
  },
  {
    title: 'a bucket that there is not',
    code: 'object-store/no-such-bucket',
    spoil: (world) => changeStore(world, /s3:\/\/[^/]+/, 's3://no-such-bucket'),
  },
  {
    title: 'a bucket that there is not, for a save',
    code: 'object-store/no-such-bucket',
    says: `could not ask s3://no-such-bucket/saves?endpoint=http://127.0.0.1:0: 404 NoSuchBucket: The specified bucket does not exist  object-store/no-such-bucket
  To fix: create the bucket \`no-such-bucket\`, or correct its name, the endpoint or the region
`,
    recipe: SAVE,
    // The twin's save must not change what the others restore from.
    command: 'BERTH_STORE=${BERTH_STORE/pods/saves} berth run recipe.yaml boot',
    spoil: (world) => changeStore(world, /s3:\/\/[^/]+/, 's3://no-such-bucket'),
  },
]
