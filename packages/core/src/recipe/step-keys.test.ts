import { expect, test } from 'vitest'
import { goodRecipe, problemsOf } from '../test-plugins.ts'

/** What is said of a recipe. */
async function said(text: string): Promise<string[]> {
  const problems = await problemsOf(text)
  return problems.map(({ at, code, message }) => `${at?.line}:${at?.column} ${code}: ${message}`)
}

const ladder = `
vars: { bucket: {} }
boot:
  - id: volume
    uses: network-volume/detect
  - id: models
    any-of:
      - uses: restore/shared
        if: steps.volume.outputs.present
        with: { to: /models, directories: [a], volume: "\${{ steps.volume.outputs.path }}" }
      - id: download
        run: curl "$BUCKET/models.tar" | tar x
        env: { BUCKET: "\${{ vars.bucket }}" }
        outputs: [files]
        undo: rm -r models
        timeout: 5m
    explain: No models, no pictures.
    lock: { file: "\${{ steps.volume.outputs.path }}/models.lock", ttl: 2m, on-busy: skip }
  - run: echo "\${{ steps.models.outputs.files }}"
`

test('a ladder, an undo, a lock and an explanation are right where they belong', async () => {
  expect(await said(ladder)).toEqual([])
})

test('a ladder has its outputs from its rungs, and what they see is what it sees', async () => {
  expect(await said(ladder.replace('outputs.files', 'outputs.flies'))).toEqual([
    '19:41 recipe/unknown-output: the step `models` has no output `flies`',
  ])
  expect(await said(ladder.replace('vars.bucket', 'steps.models.outputs.files'))).toEqual([
    '13:35 recipe/not-ended: the step `models` of `boot` has not ended by then',
  ])
})

test('a ladder has rungs, and nothing else that it does', async () => {
  expect(
    await said(`boot:
  - any-of: []
  - any-of: [{ run: a }]
    run: b
`),
  ).toEqual([
    '2:13 recipe/bad-value: `any-of` must not be empty',
    '3:5 recipe/uses-or-run: the step `any-of-2` has both `run` and `any-of`',
  ])
})

test('a key that belongs elsewhere is refused with its place', async () => {
  expect(
    await said(`boot:
  - any-of:
      - run: a
        needs: []
      - runn: b
    retry: { attempts: 2 }
    timeout: 1m
    shell: sh
  - uses: network-volume/detect
    undo: rm x
  - run: c
    defer: yes
shutdown:
  - run: d
    defer: true
  - run: e
    lock: { fiel: x, on-busy: never }
`),
  ).toEqual([
    '4:9 recipe/unknown-key: a step of `any-of` has no key `needs`',
    '5:9 recipe/unknown-key: a step of `any-of` has no key `runn`',
    '5:9 recipe/uses-or-run: the step has neither `uses` nor `run`',
    '8:5 recipe/misplaced-key: `shell` cannot stand beside `any-of`',
    '10:5 recipe/misplaced-key: `undo` belongs to a step with `run`',
    '12:12 recipe/wrong-type: `defer` must be true or false, not the text `yes`',
    '15:5 recipe/misplaced-key: `defer` belongs to a step of `boot`, not of `shutdown`',
    '17:13 recipe/unknown-key: `lock` has no key `fiel`',
    '17:31 recipe/bad-value: `on-busy` must be one of `wait`, `skip`, `fail`, not the text `never`',
  ])
})

test('an undo sees the outputs of its own step, and no secret', async () => {
  const recipe = (undo: string) => `
secrets: [S]
boot:
  - id: a
    run: start
    outputs: [pid]
    undo: ${undo}
`
  expect(await said(recipe('kill ${{ steps.a.outputs.pid }}'))).toEqual([])
  expect(await said(recipe('kill ${{ secrets.S }}'))).toEqual([
    '7:20 recipe/secret-in-command: the secret `S` in `undo` of the step `a` would be visible to every process',
  ])
})

test('what is deferred waits in its own order, and nothing else waits for it', async () => {
  const text = `boot:
  - { id: a, run: a }
  - { id: b, run: b, defer: true }
  - { id: c, run: c }
  - { id: d, run: d, defer: true }
  - { id: e, run: e, needs: [b] }
main: { command: ["\${{ steps.b.outputs.x }}"] }
`
  expect(await said(text)).toEqual([
    '6:30 recipe/not-ended: `e` needs `b`, which is deferred until main has started',
    '7:30 recipe/not-ended: the step `b` of `boot` has not ended by then',
  ])
})

test('main is ready in exactly one way', async () => {
  expect(await said('main: { ready: { http: "http://127.0.0.1:${{ env.PORT }}/" } }')).toEqual([])
  expect(await said('main: { ready: { tcp: 8188, timeout: 5m } }')).toEqual([])
  expect(await said('main: { ready: { timeout: 5m } }')).toEqual([
    '1:9 recipe/missing-key: `ready` does not say how main shows that it can be used',
  ])
  expect(await said('main: { ready: { tcp: "8188", file: /x } }')).toEqual([
    '1:23 recipe/bad-value: `tcp` must be a port or `host:port`, not the text `8188`',
    '1:31 recipe/misplaced-key: `ready` has both `tcp` and `file`',
  ])
  expect(await said('main: { ready: { tcp: 70000 } }')).toEqual([
    '1:23 recipe/bad-value: `tcp` must be at most 65535, not the number 70000',
  ])
})

test.each([
  ['localhost:8188', 'did you mean `http://localhost:8188`?'],
  ['8188', 'did you mean `http://localhost:8188`?'],
  ['localhost:${{ env.PORT }}/up', 'did you mean `http://localhost:${{ env.PORT }}/up`?'],
  ['ftp://localhost/', 'write it like `http://localhost:8188/`'],
  ['', 'write it like `http://localhost:8188/`'],
])('a URL by which main is ready is not `%s`', async (text, hint) => {
  const message = expect.stringContaining('`http` must begin with `http://` or `https://`, not ')
  const problems = await problemsOf(`main: { ready: { http: "${text}" } }`)
  expect(problems).toMatchObject([{ code: 'recipe/bad-value', message, hint }])
})

test('a URL by which main is ready may begin with an expression', async () => {
  expect(await said('main: { ready: { http: "${{ env.URL }}/up" } }')).toEqual([])
})

test.each([
  ['vars: { model: tiny }', 'write `{ default: tiny }`'],
  ['vars: { steps: 20 }', 'write `{ default: 20 }`'],
  ['boot: [{ id: a, run: a, needs: [b] }]', 'there is none to choose from'],
  ['boot: [{ id: ab, run: a, needs: [a] }, { id: abcd, run: b }]', 'did you mean `abcd`?'],
])('%s is said to be cured by what can be meant', async (text, hint) => {
  expect(await problemsOf(text)).toMatchObject([{ hint }])
})

test('addresses of health take a port, or a host with one', async () => {
  expect(
    await said(
      'health: { listen: 9180, progress: "0.0.0.0:${{ vars.port }}" }\nvars: { port: {} }',
    ),
  ).toEqual([])
  expect(await said('health: { listen: "${{ steps.a.outputs.x }}:1" }')).toEqual([
    '1:24 recipe/unavailable: `steps` has no value in `health.listen`',
  ])
})

test('a recipe without the new keys has them empty', async () => {
  const { pipelines, health } = await goodRecipe('boot: [{ run: a }]\n')
  expect(health).toBeUndefined()
  expect(pipelines.boot).toMatchObject([
    { anyOf: undefined, undo: undefined, defer: false, lock: undefined, explain: undefined },
  ])
})
