import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { checkRecipe, readRecipe } from '@berth/core'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { plugins } from '../plugins.ts'
import { recipeGraph } from './recipe-graph.ts'

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
const mermaid = join(cache, 'berth-test/mermaid/mermaid.min.js')
const withMermaid = requirement(
  'mermaid',
  (spawnSync('chromium', ['--version']).status === 0 && existsSync(mermaid)) ||
    'it needs chromium, and Mermaid by test/servers/install-mermaid.sh',
)

const everything = `
name: everything
boot:
  - { id: volume, uses: network-volume/detect }
  - parallel:
      - { id: end, name: 'Say "hi" <b>; \`#1\`', run: 'echo', optional: true }
      - { id: right-hand, run: 'true', retry: { attempts: 3 }, timeout: 1m, if: "vars['x'] == 'a|b'", undo: 'true' }
  - id: models
    any-of:
      - { id: mount, run: 'false' }
      - { id: copy, run: 'true' }
  - { id: later, run: 'true', defer: true }
vars: { x: { default: '' } }
shutdown:
  - { id: save, run: 'true', every: 2m }
main: { command: [python3, main.py] }
`

const read = (text: string) => checkRecipe(text, { file: 'recipe.yaml', plugins })

test('draws what waits for what, ladders, what is deferred, and main between boot and shutdown', async () => {
  expect(recipeGraph(await read(everything))).toMatchInlineSnapshot(`
    "flowchart TD
      subgraph boot
        boot_volume["volume<br>network-volume/detect"]
        boot_end["end<br>run<br>Say #34;hi#34; #60;b#62;#59; #96;#35;1#96;"]:::optional
        boot_right-hand["right-hand<br>run<br>if vars#91;'x'#93; == 'a#124;b', 3 attempts, timeout 1 min, undo"]
        boot_models{{"models<br>any of"}}
        boot_models__mount["mount<br>run"]:::rung
        boot_models__copy["copy<br>run"]:::rung
        boot_models -.-> boot_models__mount
        boot_models__mount -. refused .-> boot_models__copy
        boot_volume --> boot_end
        boot_volume --> boot_right-hand
        boot_end --> boot_models
        boot_right-hand --> boot_models
      end
      subgraph shutdown
        shutdown_save["save<br>run<br>every 2 min"]
      end
      main(["main<br>python3<br>save every 2 min"]):::main
      boot --> main
      main --> shutdown
      main --> deferred
      subgraph deferred
        deferred_later["later<br>run"]
      end
      classDef optional stroke-dasharray: 5 4
      classDef main stroke-width: 3px
      classDef rung opacity: 0.85
    "
  `)
})

test('draws one pipeline alone', async () => {
  const text = recipeGraph(await read(everything), ['shutdown'])
  expect(text).toContain('subgraph shutdown')
  expect(text).not.toContain('boot')
  expect(text).not.toContain('main(')
})

withMermaid(
  'is drawn by Mermaid, all of it and every recipe of ours',
  async () => {
    const recipes = fileURLToPath(new URL('../../../../recipes/', import.meta.url))
    const files = readdirSync(recipes).filter((name) => name.endsWith('.yaml'))
    const all = await Promise.all([
      read(everything),
      ...files.map((name) => readRecipe(join(recipes, name), plugins)),
    ])
    const directory = mkdtempSync(join(tmpdir(), 'berth-mermaid-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const page = join(directory, 'page.html')
    writeFileSync(page, drawing(all.map((recipe) => recipeGraph(recipe))))
    const { stdout } = await promisify(execFile)(
      'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        `--user-data-dir=${directory}`,
        '--virtual-time-budget=20000',
        '--dump-dom',
        pathToFileURL(page).href,
      ],
      { maxBuffer: 64 * 1024 * 1024 },
    )
    expect(/<p id="failures">(.*?)<\/p>/.exec(stdout)?.[1]).toBe('none')
    expect(stdout.match(/<svg[^>]*id="drawing-/g)).toHaveLength(all.length)
    expect(stdout).toContain('Say "hi" &lt;b&gt;; `#1`')
  },
  90_000,
)

function drawing(graphs: readonly string[]): string {
  const script = `
mermaid.initialize({ startOnLoad: false })
const failures = []
for (const [index, graph] of ${JSON.stringify(graphs).replaceAll('<', '\\u003c')}.entries()) {
  try {
    const { svg } = await mermaid.render('drawing-' + index, graph)
    document.body.insertAdjacentHTML('beforeend', svg)
  } catch (error) { failures.push(index + ': ' + error.message) }
}
document.getElementById('failures').textContent = failures.join('; ') || 'none'
`
  return `<!doctype html><meta charset="utf-8"><body><p id="failures">not run</p>
<script src="${pathToFileURL(mermaid).href}"></script><script type="module">${script}</script>`
}
