import * as fs from 'node:fs'
import * as path from 'node:path'
import { root } from '../workspace.ts'
import { yamlBlocks } from '../markdown.ts'

/** The shell script of a job in docs/ci.md, by the file that the job's block names. */
export function documentedScript(file: string): string {
  const page = 'docs/ci.md'
  const blocks = yamlBlocks(page, fs.readFileSync(path.join(root, page), 'utf8'))
  const block = blocks.find(({ text }) => text.startsWith(`# ${file}\n`))
  const [, script = ''] = /(?:run:|-) \|\n([^]*)$/.exec(block?.text ?? '') ?? []
  if (script === '') throw new Error(`${page} has no script of ${file}`)
  const [indent] = /^ */.exec(script) ?? ['']
  return script.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
}
