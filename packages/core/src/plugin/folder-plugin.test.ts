import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { readRecipe } from '../recipe/check-recipe.ts'
import { testPlugin } from '../testing/conformance.ts'
import { definePlugin } from './plugin.ts'

const folder = await mkdtemp(path.join(tmpdir(), 'berth-plugin-'))
afterAll(() => rm(folder, { recursive: true }))

await writeFile(
  path.join(folder, 'plugin.yaml'),
  `
name: note
description: Writes a note.
requires: [mv]
inputs:
  file: { type: string, required: true, minLength: 1, description: Which file. }
  text: { type: string, default: hello, description: What it says. }
outputs: { bytes: { type: integer, description: How long it is. } }
check: test "$(cat "$INPUT_FILE")" = "$INPUT_TEXT"
run: |
  printf %s "$INPUT_TEXT" > "$INPUT_FILE.tmp"
  mv "$INPUT_FILE.tmp" "$INPUT_FILE"
  echo "bytes=\${#INPUT_TEXT}" >> "$BERTH_OUTPUT"
undo: rm -f "$INPUT_FILE" "$INPUT_FILE.tmp"
`,
)
const file = path.join(folder, 'recipe.yaml')
await writeFile(file, 'boot: [{ uses: ./., with: { file: a } }]\n')
const recipe = await readRecipe(file, {})
const step = recipe.pipelines.boot?.[0]?.uses?.definition
if (step === undefined) throw new Error('the recipe has no step')

testPlugin(definePlugin({ name: 'note', description: 'Writes notes.', steps: { note: step } }), {
  note: {
    prepare: () => ({ inputs: { file: 'note', text: 'hi' }, secrets: { TOKEN: 'a-long-secret' } }),
    bad: {
      'no file': { file: '' },
      'a text that is none': { text: 5 },
      'an input that it does not have': { txet: 'x' },
    },
    isStaging: (name) => name.endsWith('.tmp'),
  },
})
