import type { BerthError } from '../error.ts'
import { unknownSecret } from './unknown-secret.ts'
import { mergeKeys } from './merge-steps.ts'
import { keySpan, nodeAt, problem, textAt, type MapNode } from './recipe-node.ts'
import { isDeferred, type StepDraft } from './step-draft.ts'

/** The rules between a step's keys, which its shape alone doesn't show. */
export function keyProblems(draft: StepDraft, secrets: ReadonlySet<string>): BerthError[] {
  const { node } = draft
  return [
    ...actionProblems(draft),
    ...misplacedKeys(draft).flatMap(({ key, message, hint }) =>
      node.entries.has(key)
        ? [problem('recipe/misplaced-key', message, keySpan(node, [key]), hint)]
        : [],
    ),
    ...secretProblems(draft, secrets),
  ]
}

const actions = ['uses', 'run', 'any-of'] as const

function actionProblems({ node, id, named }: StepDraft): BerthError[] {
  const [first, second] = actions.filter((key) => node.entries.has(key))
  if (first === undefined && node.entries.has('remove')) return []
  if (first === undefined) {
    const message = `the step${named ? ` \`${id}\`` : ''} has neither \`uses\` nor \`run\``
    return [problem('recipe/uses-or-run', message, node, 'say what it does')]
  }
  if (second === undefined) return []
  const message = `the step \`${id}\` has both \`${first}\` and \`${second}\``
  const hint = second === 'run' ? 'make two steps of it' : 'put it into the steps of `any-of`'
  return [problem('recipe/uses-or-run', message, keySpan(node, [second]), hint)]
}

interface MisplacedKey {
  key: string
  message: string
  hint?: string
}

function misplacedKeys(draft: StepDraft): MisplacedKey[] {
  const { node, pipeline } = draft
  const found: MisplacedKey[] = []
  const written = actions.filter((key) => node.entries.has(key))
  if (written.length === 1) found.push(...foreignKeys[written[0] ?? 'run'])
  for (const key of mergeKeys) {
    const message = `\`${key}\` has nothing that it could change: no recipe below has this pipeline`
    found.push({
      key,
      message,
      hint: 'it belongs to a recipe that `extends` another, or to an overlay',
    })
  }
  if (pipeline !== 'shutdown') {
    const message = `\`every\` belongs to a step of \`shutdown\`, not of \`${pipeline}\``
    found.push({ key: 'every', message })
  }
  if (pipeline !== 'boot' && isDeferred(node)) {
    const message = `\`defer\` belongs to a step of \`boot\`, not of \`${pipeline}\``
    found.push({ key: 'defer', message, hint: 'only a boot has a main to wait for' })
  }
  return found
}

const ofRun = (key: string, hint?: string): MisplacedKey => ({
  key,
  message: `\`${key}\` belongs to a step with \`run\``,
  ...(hint === undefined ? {} : { hint }),
})

const ofRung = (key: string): MisplacedKey => ({
  key,
  message: `\`${key}\` cannot stand beside \`any-of\``,
  hint: 'put it into the steps of the ladder',
})

/** What doesn't belong to a step that does its work in one way, because it belongs to another. */
const foreignKeys: Record<(typeof actions)[number], readonly MisplacedKey[]> = {
  run: [
    {
      key: 'with',
      message: '`with` belongs to a step with `uses`',
      hint: 'hand values to `run` through `env`',
    },
  ],
  uses: [
    ofRun('shell'),
    ofRun('outputs', 'a plugin declares its own'),
    ofRun('undo', 'a plugin takes back what it did by itself'),
  ],
  'any-of': ['with', 'env', 'working-directory', 'shell', 'outputs', 'secrets', 'undo'].map(ofRung),
}

/** `parallel` is a group, not a step: it takes only `needs` beside it. */
export function groupProblems(drafts: readonly StepDraft[]): BerthError[] {
  const groups = new Set(drafts.flatMap(({ group }) => (group ? [group] : [])))
  return [...groups].flatMap((group: MapNode) =>
    [...group.entries.keys()]
      .filter((key) => key !== 'parallel' && key !== 'needs')
      .map((key) => {
        const message = `\`${key}\` cannot stand beside \`parallel\``
        const hint = 'put it into the steps of the group'
        return problem('recipe/misplaced-key', message, keySpan(group, [key]), hint)
      }),
  )
}

function secretProblems({ node }: StepDraft, declared: ReadonlySet<string>): BerthError[] {
  const list = nodeAt(node, ['secrets'])
  return (list?.kind === 'list' ? list.items : []).flatMap((item) => {
    const name = textAt(item, [])
    if (name === undefined || declared.has(name)) {
      return []
    }
    return [unknownSecret(name, declared, item)]
  })
}
