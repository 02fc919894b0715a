import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { LanguageServer } from './language-server.ts'
import { root } from './workspace.ts'

const recipe = `vars: { pod: { default: /w } }
boot:
  - id: shared
    uses: restore/shared
    with:
      to: "\${{ vars.pod }}"
      directores: [venv]
      archive: 5
  - uses: ./plugins/note
    with:
      fiel: a
      
  - run: "true"
    tiemout: 5s
    retry: { attempts: "\${{ vars.pod }}" }
`

const plugin = `name: note
description: Writes a note.
inputs:
  file: { type: string, required: true, description: Which file it is. }
  lines: { type: integer, default: 3, description: How many lines. }
run: "true"
`

function schemaIn(folder: string): string {
  fs.mkdirSync(path.join(folder, 'plugins/note'), { recursive: true })
  fs.writeFileSync(path.join(folder, 'plugins/note/plugin.yaml'), plugin)
  const berth = path.join(root, 'packages/cli/bin/berth')
  const args = ['schema', '--plugins', 'plugins']
  const { status, stdout, stderr } = spawnSync(berth, args, { cwd: folder, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const file = path.join(folder, 'schema.json')
  fs.writeFileSync(file, stdout)
  return pathToFileURL(file).href
}

test('an editor completes, marks and explains the options of plugins, those of a folder too', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-editor-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  const schema = schemaIn(folder)
  const server = new LanguageServer({
    schemas: { [schema]: '*.yaml' },
    validate: true,
    completion: true,
    hover: true,
    schemaStore: { enable: false },
  })
  onTestFinished(() => server.close())
  await server.open()
  const uri = pathToFileURL(path.join(folder, 'recipe.yaml')).href
  const found = (await server.diagnose(uri, recipe)) as Diagnostic[]
  const told = found.map(({ message, range: { start } }) => `${start.line + 1}: ${message}`)
  expect(told.map((line) => line.split(':', 1)[0])).toEqual(
    expect.arrayContaining(['7', '8', '11', '14', '15']),
  )
  expect(told).toContain('5: Missing property "directories".')
  expect(told).toContain('10: Missing property "file".')
  expect(told.join('\n')).toContain('7: Property directores is not allowed.')
  expect(told.join('\n')).toContain('11: Property fiel is not allowed.')
  expect(told.join('\n')).toContain('14: Property tiemout is not allowed.')
  expect(told.filter((line) => /^(?:1|2|3|4|6|9|13):/.test(line))).toEqual([])
  expect(await server.complete(uri, 5, 6)).toEqual(
    expect.arrayContaining(['directories', 'volume']),
  )
  expect(await server.complete(uri, 11, 6)).toEqual(expect.arrayContaining(['file', 'lines']))
  expect(await server.complete(uri, 3, 10)).toEqual(
    expect.arrayContaining(['restore/shared', './plugins/note', 's3-link/link']),
  )
  expect(await server.hover(uri, 5, 7)).toContain('where the directories appear')
  expect(await server.hover(uri, 8, 14)).toContain('Writes a note.')
})

interface Diagnostic {
  message: string
  range: { start: { line: number; character: number } }
}
