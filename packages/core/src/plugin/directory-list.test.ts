import { expect, test } from 'vitest'
import { directoryList } from './directory-list.ts'

test.each([
  [['venv']],
  [['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']],
  [['a', 'ab', 'a.b', '..a', 'a..']],
  [['with space', 'ünïcode']],
])('accepts %j', (list) => {
  expect(directoryList.safeParse(list).data).toEqual(list)
})

test.each([
  [[], 0],
  [[''], 0],
  [['/venv'], 0],
  [['..'], 0],
  [['a/../b'], 0],
  [['./venv'], 0],
  [['venv/'], 0],
  [['a//b'], 0],
  [['.berth'], 0],
  [['a/.berth/b'], 0],
  [['a/@'], 0],
  [['a\0b'], 0],
  [['venv', 'b', 'venv'], 2],
  [['ComfyUI/custom_nodes', 'ComfyUI'], 1],
  [['ComfyUI', 'ComfyUI/custom_nodes'], 1],
])('refuses %j', (list, index) => {
  const issues = directoryList.safeParse(list).error?.issues ?? []
  expect(issues.map(({ path }) => path[0] ?? 0)).toContain(index)
})
