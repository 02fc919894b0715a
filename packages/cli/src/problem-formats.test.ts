import { expect, test } from 'vitest'
import { githubAnnotations, gitlabReport } from './problem-formats.ts'

const file = './a,b:c 100%.yaml'
const problem = {
  code: 'recipe/bad-value',
  message: 'must be 50%, not\r\n`a: b, c`',
  hint: 'write 50',
  at: { file, line: 3, column: 7 },
}

test('an annotation escapes what the runner would read as its own', () => {
  expect(githubAnnotations([{ file, problems: [problem] }])).toBe(
    '::error file=./a%2Cb%3Ac 100%25.yaml,line=3,col=7,title=recipe/bad-value::must be 50%25, not%0D%0A`a: b, c`%0ATo fix: write 50\n',
  )
})

test('a problem without a place is one of the file as a whole', () => {
  const missing = { code: 'recipe/not-found', message: 'there is none' }
  const files = [
    { file: 'x.yaml', problems: [missing] },
    { file: 'good.yaml', problems: [] },
  ]
  expect(githubAnnotations(files)).toBe(
    '::error file=x.yaml,line=1,col=1,title=recipe/not-found::there is none\n',
  )
  expect(JSON.parse(gitlabReport(files))).toMatchObject([
    { location: { path: 'x.yaml', lines: { begin: 1 } } },
  ])
})

test('a report for GitLab has what it asks for, and fingerprints that outlive a moved line', () => {
  const moved = { ...problem, at: { file, line: 9, column: 7 } }
  const [first, twin] = JSON.parse(gitlabReport([{ file, problems: [problem, moved] }])) as {
    fingerprint: string
  }[]
  const [later] = JSON.parse(gitlabReport([{ file, problems: [moved] }])) as unknown[]
  expect(first).toEqual({
    description: 'must be 50%, not\r\n`a: b, c`\nTo fix: write 50',
    check_name: 'recipe/bad-value',
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    severity: 'blocker',
    location: { path: 'a,b:c 100%.yaml', lines: { begin: 3 } },
  })
  expect(later).toMatchObject({ fingerprint: first?.fingerprint })
  expect(twin?.fingerprint).not.toBe(first?.fingerprint)
})

test('nothing wrong is no annotation and an empty report', () => {
  expect(githubAnnotations([{ file, problems: [] }])).toBe('')
  expect(gitlabReport([{ file, problems: [] }])).toBe('[]\n')
})
