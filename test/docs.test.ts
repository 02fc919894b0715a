import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { errorFacts, readRecipe } from '@berth/core'
import { describeOptions, recipeJsonSchema } from '@berth/core/docs'
import { expect, onTestFinished, test } from 'vitest'
import { plugins } from '../packages/cli/src/plugins.ts'
import { withOptions } from '../packages/cli/src/readme.ts'
import {
  codesIn,
  isOfAnotherProgram,
  linksIn,
  namedFile,
  readmeTables,
  yamlBlocks,
} from './markdown.ts'
import { listFiles, readPackages, readText, root } from './workspace.ts'

const packages = readPackages()
const pages = [
  ...fs.readdirSync(root).filter((name) => name.endsWith('.md')),
  ...listFiles('docs', /\.md$/),
  ...packages.flatMap(({ folder }) => listFiles(folder, /\.md$/)),
]
const names = packages.filter(({ layer }) => layer === 'plugin').map(({ name }) => name)

test('the command knows every plugin of the workspace by its name', async () => {
  expect(Object.keys(plugins).toSorted()).toEqual(names)
  const loaded = await Promise.all(Object.values(plugins).map((load) => load()))
  expect(loaded.map(({ name }) => name).toSorted()).toEqual(names)
})

test.each(['README.md', 'ARCHITECTURE.md'])('the tables of %s have every package', (page) => {
  const rows = readText(page)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n')
  const missing = packages.filter(({ folder }) => !rows.includes(`](${folder})`))
  expect(missing.map(({ name }) => name)).toEqual([])
})

test.each(Object.entries(plugins))('the README of %s has its options', async (name, load) => {
  const file = `packages/${name}/README.md`
  const readme = readText(file)
  const table = describeOptions(await load())
  expect(readme, 'run `berth docs --write`').toBe(withOptions(readme, table, file))
})

test.each(listFiles('recipes', /\.ya?ml$/))('%s is valid', async (file) => {
  expect(await problemsOf(path.join(root, file))).toEqual([])
})

test.each(listFiles('recipes', /\.ya?ml$/))('%s begins with whom it is for', (file) => {
  expect(readText(file)).toMatch(/^# For: [^]*^# Needs: [^]*^# Gives: /m)
})

test.each(pages.filter((page) => yamlBlocks(page, readText(page)).length > 0))(
  'every YAML block of %s is valid',
  async (page) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-docs-'))
    onTestFinished(() => fs.rmSync(folder, { recursive: true }))
    const blocks = yamlBlocks(page, readText(page)).map((block, index) => {
      const { file = `recipe-${index}.yaml`, below } = namedFile(block.text)
      return { ...block, file: path.join(folder, file), below: below && path.join(folder, below) }
    })
    for (const { file, text } of blocks) {
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
    }
    for (const { place, text, file, below } of blocks) {
      if (isOfAnotherProgram(text)) continue
      if (path.basename(file) === 'plugin.yaml') {
        const user = path.join(folder, 'user.yaml')
        fs.writeFileSync(
          user,
          `boot: [{ uses: "./${path.relative(folder, path.dirname(file))}" }]\n`,
        )
        const problems = await problemsOf(user)
        // Which inputs it must be given is the plugin's own affair.
        expect(
          problems.filter((line) => !line.includes('recipe/missing-input')),
          place,
        ).toEqual([])
        continue
      }
      const problems = below ? await problemsOf(below, { overlay: file }) : await problemsOf(file)
      expect(problems, place).toEqual([])
    }
  },
)

test('the page of the keys of a recipe has every key with what it means', async () => {
  const page = readText('docs/recipe-keys.md').replaceAll('\\|', '|')
  const rows = keysOf((await recipeJsonSchema({})) as Schema)
  expect(rows.length).toBeGreaterThan(50)
  expect(rows.filter((row) => !page.includes(`\n${row}\n`))).toEqual([])
})

interface Schema {
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  $defs?: Record<string, Schema>
}

/** A row for each key of what the schema describes, at any depth. */
function keysOf({ properties = {}, additionalProperties, $defs = {} }: Schema): string[] {
  const deeper = [...Object.values($defs), ...Object.values(properties)]
  if (typeof additionalProperties === 'object') deeper.push(additionalProperties)
  const rows = Object.entries(properties).map(
    ([key, { description = '' }]) => `| \`${key}\` | ${description} |`,
  )
  return [...rows, ...deeper.flatMap(keysOf)]
}

test.each(packages.map(({ name, folder }) => [name, folder]))(
  'the README of %s begins with its description and says when it fails',
  (name, folder) => {
    const readme = readText(`${folder}/README.md`)
    const { description } = JSON.parse(readText(`${folder}/package.json`)) as Described
    const beginning = `# @berth/${name}\n\n${description.replace(/\.$/, '')}`
    expect(readme.replaceAll('`', '').slice(0, beginning.length)).toBe(beginning)
    const prefixes = name === 'core' ? ['core', 'recipe'] : [name]
    const codes = listFiles(`${folder}/src`, /\.ts$/)
      .filter((file) => !/\.test\.ts$|\/testing/.test(file))
      .flatMap((file) => codesIn(readText(file), prefixes))
    const explained = readmeTables(readme)
    const missing = [...new Set(codes)].filter((code) => !explained.includes(`\`${code}\``))
    expect(missing.toSorted(), 'codes that `When it fails` does not explain').toEqual([])
  },
)

test('links in the docs lead somewhere', () => {
  const broken = pages.flatMap((page) =>
    linksIn(readText(page))
      .filter((target) => !leadsSomewhere(page, target))
      .map((target) => `${page} → ${target}`),
  )
  expect(broken).toEqual([])
})

interface Described {
  description: string
}

async function problemsOf(file: string, parts: { overlay?: string } = {}): Promise<string[]> {
  try {
    await readRecipe(file, plugins, parts)
    return []
  } catch (error) {
    const { problems, ...own } = errorFacts(error)
    return (problems ?? [own]).map(({ code, message, at }) => `${at?.line}: ${code}: ${message}`)
  }
}

function leadsSomewhere(page: string, target: string): boolean {
  const [file = '', anchor] = target.split('#')
  const full = path.join(root, file === '' ? page : path.join(path.dirname(page), file))
  if (!fs.existsSync(full)) return false
  if (anchor === undefined) return true
  const headings = [...fs.readFileSync(full, 'utf8').matchAll(/^#+ (.*)$/gm)]
  return headings.some(([, heading = '']) => anchorOf(heading) === anchor)
}

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}
