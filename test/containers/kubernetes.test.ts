import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { yamlBlocks } from '../markdown.ts'
import { root } from '../workspace.ts'
import { kubectlValidate } from './engine.ts'

const isThere = fs.existsSync(kubectlValidate) || 'kubectl-validate is not installed'
const test = requirement('kubernetes', isThere)

function validate(text: string): { status: number | null; said: string } {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-kubernetes-')), 'pod.yaml')
  fs.writeFileSync(file, text)
  const { status, stdout, stderr } = spawnSync(kubectlValidate, ['--version', '1.30', file], {
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr }
}

test('the example for Kubernetes fits its schemas, and a key with a typo does not', () => {
  const page = 'docs/kubernetes.md'
  const [block] = yamlBlocks(page, fs.readFileSync(path.join(root, page), 'utf8'))
  const example = block?.text ?? ''
  expect(validate(example)).toMatchObject({ status: 0 })
  const wrong = validate(example.replace('failureThreshold', 'failureTreshold'))
  expect(wrong.said).toContain('failureTreshold')
  expect(wrong.status).toBe(1)
}, 60_000)

test('the commands of the probes and of preStop are commands of Berth', () => {
  const text = fs.readFileSync(path.join(root, 'docs/kubernetes.md'), 'utf8')
  const commands = [...text.matchAll(/command: \[berth, (\w+), (.*)\]/g)]
  expect(commands.map(([, verb]) => verb)).toEqual(['status', 'status', 'status', 'shutdown'])
  for (const [, verb = '', words = ''] of commands) {
    const berth = path.join(root, 'packages/cli/bin/berth')
    const usage = execFileSync(berth, [verb, '--help'], { encoding: 'utf8' })
    for (const option of words.split(', ').filter((word) => word.startsWith('--')))
      expect(usage).toContain(option)
  }
})
