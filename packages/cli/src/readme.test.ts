import { readFileSync } from 'node:fs'
import { describeOptions } from '@berth/core/docs'
import { expect, test } from 'vitest'
import { plugins } from './plugins.ts'
import { readmeOf, readReadme, withOptions } from './readme.ts'

test.each(Object.entries(plugins))(
  'the README of %s has the options that the plugin has',
  async (name, load) => {
    const file = readmeOf(name)
    const readme = readFileSync(file, 'utf8')
    expect(readme, 'run `berth docs --write`').toBe(
      withOptions(readme, describeOptions(await load()), file),
    )
  },
)

test('replaces what stands between the marks, and nothing else', () => {
  const readme = 'before\n<!-- options:start -->\nold\n<!-- options:end -->\nafter\n'
  const written = withOptions(readme, 'new\n', 'README.md')
  expect(written).toBe('before\n<!-- options:start -->\nnew\n<!-- options:end -->\nafter\n')
  expect(withOptions(written, 'new\n', 'README.md')).toBe(written)
  expect(() => withOptions('no marks', 'new', 'README.md')).toThrow('it has no place for them')
})

test('says of a README that is not there what it must hold', () => {
  expect(() => readReadme('/nowhere/README.md')).toThrow(
    'could not write the options into `/nowhere/README.md`: there is no such file',
  )
})
