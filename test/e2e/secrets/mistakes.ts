/** A mistake that could make an error repeat a secret. */
export interface Mistake {
  title: string
  args: readonly string[]
  env?: Record<string, string>
  /** What must be said, so that it had the chance. */
  says: string
}

/** A key that nothing but a URL holds, with what URLs give a meaning to. */
export const URL_KEY = 'AKIAxyz/secret+key/of/a+url'

/** The recipe that the mistakes are made with. */
export const SMALL_RECIPE = `
name: small
secrets: [HF_TOKEN, ODD_SECRET]
vars: { port: { default: 8188 }, store: { env: BERTH_STORE }, word: {} }
main: { command: [sleep, '3'], working-directory: '\${{ steps.where.outputs.path }}' }
boot:
  - { id: where, secrets: [HF_TOKEN], outputs: [path], run: 'echo "path=/nowhere/$HF_TOKEN" >> "$BERTH_OUTPUT"' }
  - { id: say, run: 'echo "the word is \${{ vars.word }}"; : > "\${CRASH_WHEN:-/dev/null}"; sleep "\${PAUSE:-0}"' }
shutdown:
  - uses: shared-data/save
    with: { from: tree, store: '\${{ vars.store }}', archive: small, directories: [one] }
`

const refused = 'it holds credentials, and URLs are printed'

const inUrls: Mistake[] = [
  `s3://user:${URL_KEY}@bucket/prefix`,
  `s3://bucket/prefix?endpoint=http://user:${URL_KEY}@127.0.0.1:1&regoin=x`,
  `s3://bucket/prefix?regoin=x&endpoint=${encodeURIComponent(`http://user:${URL_KEY}@127.0.0.1:1`)}`,
  `https://user:${URL_KEY}@127.0.0.1:1/bucket/prefix`,
  `s3//user:${URL_KEY}@bucket`,
  `s3://bucket/prefix?secret=${URL_KEY}`,
].map((url) => ({
  title: `a save to ${url}`,
  args: ['archive', 'save', 'tree', '--name', 'one', '--store', url],
  says: refused,
}))

/** The values are those of the environment, as a shell would fill them in. */
export function mistakes(values: Record<'home' | 'token' | 'odd' | 'echo', string>): Mistake[] {
  const { home, token, odd, echo } = values
  const save = ['archive', 'save', 'tree', '--name', 'one', '--store']
  const crash = (process: string, pause: string) => ({
    NODE_OPTIONS: `--import=${import.meta.dirname}/crash.mjs`,
    CRASH: process,
    CRASH_WHEN: `${home}/crash-${process}`,
    PAUSE: pause,
  })
  return [
    ...inUrls,
    {
      title: 'a plan with keys in a variable',
      args: ['plan', 'recipe.yaml', '--json', '--set', `store=s3://user:${URL_KEY}@bucket/prefix`],
      says: refused,
    },
    {
      title: 'a boot with keys in the store’s variable',
      args: ['boot', 'recipe.yaml', '--json', '--', 'true'],
      env: { BERTH_STORE: `s3://user:${URL_KEY}@bucket/prefix` },
      says: refused,
    },
    {
      title: 'an endpoint with keys',
      args: ['archive', 'list', '--store', 's3://bucket'],
      env: { AWS_ENDPOINT_URL_S3: `http://user:${URL_KEY}@127.0.0.1:1` },
      says: refused,
    },
    {
      title: 'a wrong key, a server that repeats the request',
      args: [...save, `s3://bucket/p?endpoint=${echo}`, '--json'],
      says: 'object-store/bad-credentials',
    },
    {
      title: 'a server that is down',
      args: [...save, 's3://bucket/p?endpoint=http://127.0.0.1:1'],
      says: 'object-store/unreachable',
    },
    {
      title: 'a number that is a secret',
      args: ['run', 'recipe.yaml', 'boot', '--set', `port=${token}`],
      says: 'must be a number, not `[secret]`',
    },
    {
      title: 'a boot with a number that is a secret',
      args: ['boot', 'recipe.yaml', '--json', '--set', `port=${odd}`, '--', 'true'],
      says: 'must be a number, not `[secret]`',
    },
    {
      title: 'a setting without a name',
      args: ['plan', 'recipe.yaml', '--set', token],
      says: '`--set [secret]` has no',
    },
    {
      title: 'a variable that is a secret',
      args: ['plan', 'recipe.yaml', '--set', `word=${odd}`, '--json'],
      says: 'the word is [secret]',
    },
    { title: 'a command', args: [token], says: 'cli/unknown-command' },
    {
      title: 'a grace',
      args: ['boot', 'recipe.yaml', '--grace', token, '--', 'true'],
      says: '`[secret]` is not a duration',
    },
    {
      title: 'main in a directory that is a secret',
      args: ['boot', 'recipe.yaml', '--', `/nowhere/${token}`],
      says: 'cli/main-not-started',
    },
    {
      title: 'a bug in a pipeline',
      args: ['boot', 'recipe.yaml', '--', 'true'],
      env: crash('start-pipeline.mjs', '20'),
      says: 'Error: a bug met [secret] and [secret]',
    },
    {
      title: 'a bug in the supervisor',
      args: ['boot', 'recipe.yaml', '--', 'true'],
      env: crash('start.mjs', '1'),
      says: 'a bug met [secret] and [secret]  core/bug',
    },
  ]
}
