import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { makeReport } from './report.ts'
import { reportHtml } from './report-html.ts'
import { dawn, mustLife, podLife } from './testing.ts'

const withChromium = requirement(
  'chromium',
  spawnSync('chromium', ['--version']).status === 0 || 'it is not installed',
)

const attack = '<script>document.title = "run"</script><img src=x onerror=\'document.title="run"\'>'

function page(): string {
  const hostile = podLife(26_700).map((line) =>
    line.type === 'pipeline:start' ? { ...line, recipe: `comfyui ${attack}` } : line,
  )
  const note = { type: 'note', level: 'warn', text: `mind ${attack}\u0007`, time: dawn } as const
  const life = mustLife([...hostile, note])
  return reportHtml(makeReport(life, { isAlive: false, before: mustLife(podLife(6800)), now: 0 }))
}

test('is one document that loads nothing, and shows what it was told as text', () => {
  const html = page()
  expect(html).toMatch(/^<!doctype html>\n<html lang="en">/)
  expect(html).toContain("default-src 'none'")
  expect(html).not.toMatch(/<(script|img|link|iframe|a|object)[\s>]/)
  expect(html.replaceAll(/<[^>]*>/g, '')).toContain('onerror=&#39;')
  expect(html).toContain('mind &lt;script&gt;')
  expect(html).not.toContain('\u0007')
})

test('draws a bar for every step, to scale, and outlines the critical path', () => {
  const bars = [...page().matchAll(/<rect class="([^"]+)" x="([\d.]+)" .*?width="([\d.]+)"/g)]
  expect(bars.map(([, kind]) => kind)).toEqual([
    'done critical',
    'done',
    'done critical',
    'warning critical',
    'skipped',
    'done critical',
  ])
  const [, , venv, deps] = bars.map(([, , x, width]) => [Number(x), Number(width)] as const)
  expect((deps?.[1] ?? 0) / (venv?.[1] ?? 1)).toBeCloseTo(26.7 / 14.9, 1)
  expect(deps?.[0]).toBeCloseTo((venv?.[0] ?? 0) + (venv?.[1] ?? 0), 0)
})

withChromium(
  'is what a browser makes of it too: nothing ran, and every bar is there',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'berth-html-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const file = join(directory, 'report.html')
    writeFileSync(file, page())
    const options = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${directory}`]
    const { stdout } = await promisify(execFile)('chromium', [
      ...options,
      '--dump-dom',
      `file://${file}`,
    ])
    expect(stdout.match(/<rect /g)).toHaveLength(6)
    expect(stdout).toContain('<title>comfyui &lt;script&gt;')
    expect(stdout).not.toContain('<script')
    expect(stdout).not.toContain('<img')
  },
  60_000,
)
