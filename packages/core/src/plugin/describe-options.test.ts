import { expect, test } from 'vitest'
import { describeOptions } from './describe-options.ts'
import { testPlugin } from '../test-plugins.ts'

test('options become a Markdown table', async () => {
  expect(describeOptions(await testPlugin('restore'))).toBe(`### \`restore/shared\`

Does it.

| Option | Type | Default | What it does |
| --- | --- | --- | --- |
| \`to\` | text | **required** | The directory to fill. |
| \`volume\` | text |  | The network volume. |
| \`directories\` | list of text or map | **required** | What to restore: names \\| paths. |
| \`existing\` | \`aside\`, \`keep\`, \`fail\` | \`"aside"\` | What becomes of it. |
| \`jobs\` | whole number |  | How many at once. |
| \`wait\` | duration |  | How long to wait. |
| \`store\` | text |  | Where archives live. |`)
})

test('outputs have a table of their own', async () => {
  const plugin = await testPlugin('network-volume')
  expect(describeOptions(plugin)).toContain(`| Output | Type | What it holds |
| --- | --- | --- |
| \`present\` | true or false | Whether there is one. |
| \`path\` | text | Where it is; empty when there is none. |`)
})
