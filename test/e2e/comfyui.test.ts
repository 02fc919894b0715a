import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { compareListings, listTree } from '../demo/listing.ts'
import { generations, live, makePlace, namespaces } from './container.ts'
import type { Place } from './container.ts'

const test = requirement('unshare', namespaces())
const DIRECTORIES = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']
const WAIT = 'touch "$READY"; while :; do sleep 0.02; done'
const OBEDIENT = `trap 'exit 42' TERM; ${WAIT}`

test('SIGTERM saves within the grace and ends with the app’s code; the next pod has all of it', async () => {
  const place = fillPlace()
  const first = await live(place, OBEDIENT)
  expect(first, first.stderr).toMatchObject({ code: 42 })
  expect(first.stopMs).toBeLessThan(10_000)
  const left = listTree(place.disk, DIRECTORIES)
  wipe(place)
  const second = await live(
    place,
    `[ "$(cat "$NETWORK_VOLUME/venv/file-7")" = 7 ] || exit 9; ${OBEDIENT}`,
  )
  expect(second, second.stderr).toMatchObject({ code: 42 })
  expect(compareListings(left, listTree(place.disk, DIRECTORIES))).toEqual([])
  expect(generations(place.store)).toEqual({ venv: 1, '.comfyui': 1, 'ComfyUI/custom_nodes': 1 })
})

test('an app that ignores SIGTERM is killed at half of the grace, and all is saved', async () => {
  const place = fillPlace()
  const life = await live(place, `trap '' TERM; ${WAIT}`, '6s')
  expect(life, life.stderr).toMatchObject({ code: 137 })
  expect(life.stopMs).toBeGreaterThan(2_500)
  expect(life.stopMs).toBeLessThan(6_000)
  expect(generations(place.store)).toEqual({ venv: 1, '.comfyui': 1, 'ComfyUI/custom_nodes': 1 })
})

test('after a restore that failed, the store keeps the generation that it had', async () => {
  const place = fillPlace()
  expect((await live(place, OBEDIENT)).code).toBe(42)
  const before = generations(place.store)
  wipe(place)
  for (const chunk of chunksOf(place.store)) fs.truncateSync(chunk, 20)
  const life = await live(place, OBEDIENT)
  expect(life.code, life.stderr).toBe(1)
  expect(life.stopMs, 'the app must not have been started').toBeUndefined()
  expect(life.stderr).toContain('archive/')
  expect(generations(place.store)).toEqual(before)
  expect(fs.readdirSync(place.disk).filter((name) => !name.startsWith('.berth'))).not.toContain(
    'venv',
  )
})

test('what a user changed on a restored disk is kept by the next boot there, and saved', async () => {
  const place = fillPlace()
  await live(place, OBEDIENT)
  wipe(place)
  const change = 'echo changed > "$NETWORK_VOLUME/venv/file-7"'
  await live(place, `${change}; ${OBEDIENT}`)
  const third = await live(
    place,
    `[ "$(cat "$NETWORK_VOLUME/venv/file-7")" = changed ] || exit 9; ${OBEDIENT}`,
  )
  expect(third, third.stderr).toMatchObject({ code: 42 })
  expect(generations(place.store)).toMatchObject({ venv: 2, '.comfyui': 1 })
})

function fillPlace(): Place {
  const place = makePlace()
  for (const name of ['venv', '.comfyui', 'ComfyUI/custom_nodes/hello']) {
    fs.mkdirSync(path.join(place.disk, name), { recursive: true })
    for (let index = 0; index < 50; index += 1) {
      fs.writeFileSync(path.join(place.disk, name, `file-${index}`), String(index))
    }
  }
  fs.mkdirSync(`${place.disk}/ComfyUI/custom_nodes/hello/output`)
  fs.symlinkSync('/etc/hostname', `${place.disk}/.comfyui/outside`)
  fs.writeFileSync(`${place.disk}/venv/run`, '#!/bin/sh\n', { mode: 0o755 })
  return place
}

function wipe(place: Place): void {
  fs.rmSync(place.disk, { recursive: true })
  fs.mkdirSync(place.disk)
}

function chunksOf(store: string): string[] {
  return fs
    .readdirSync(`${store}/chunks`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.zst'))
    .map((file) => path.join(store, 'chunks', file))
}
