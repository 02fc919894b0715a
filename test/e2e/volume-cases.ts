import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { mountTmpfs } from './mounted.ts'
import type { Scene } from './volume-scene.ts'

export interface VolumeCase {
  title: string
  needs?: 'mount'
  /** Makes the volume what it is, for a pod whose disk is empty and whose store has generation 1 of all; answers `_NETWORK_VOLUME`. */
  arrange: (scene: Scene) => Promise<string> | string
  /** What a life with it prints. */
  says: (scene: Scene) => string[]
}

const unpacked = (reason: string): string =>
  `venv: unpacked (${reason}; generation 1 of comfyui/venv)`
const passedOver = (path: string, reason: string): string[] => [
  `${path} is not used: ${reason}`,
  unpacked('there is no network volume'),
]
const ignored = (reason: string): string[] => [`the volume is ignored: ${reason}`, unpacked(reason)]

export const volumeCases: VolumeCase[] = [
  {
    title: 'is not set',
    arrange: () => '',
    says: () => ['skipped: no volume is configured', unpacked('there is no network volume')],
  },
  {
    title: 'is not there',
    arrange: ({ home }) => path.join(home.path, 'absent'),
    says: ({ home }) => passedOver(`${home.path}/absent`, 'it does not exist'),
  },
  {
    title: 'is a file',
    arrange: ({ home }) => {
      fs.writeFileSync(path.join(home.path, 'file'), '')
      return path.join(home.path, 'file')
    },
    says: ({ home }) => passedOver(`${home.path}/file`, 'it is not a directory'),
  },
  {
    title: 'is mounted read-only',
    needs: 'mount',
    arrange: ({ volume }) => {
      fs.mkdirSync(path.join(volume, 'venv'))
      fs.writeFileSync(path.join(volume, 'venv/of-another-pod'), '')
      execFileSync('mount', ['-o', 'remount,ro', volume])
      return volume
    },
    says: ({ volume }) => passedOver(volume, 'it is mounted read-only'),
  },
  {
    title: 'is empty',
    arrange: ({ volume }) => volume,
    says: ({ volume }) => [
      unpacked('the volume does not have it'),
      `venv: copied (to ${volume}/venv)`,
    ],
  },
  {
    title: 'has an empty venv',
    arrange: ({ volume }) => {
      fs.mkdirSync(path.join(volume, 'venv'))
      return volume
    },
    says: ({ volume }) => [unpacked(`${volume}/venv is empty`), `venv: copied (to ${volume}/venv)`],
  },
  {
    title: 'is behind the store',
    arrange: async (scene) => {
      // One pod filled the volume, another one without a volume saved generation 2.
      await scene.live()
      scene.home.wipe()
      await scene.live(['touch', scene.home.at('venv/newer')], { _NETWORK_VOLUME: '' })
      scene.remember()
      return scene.volume
    },
    says: () => [
      'venv: unpacked (the volume holds generation 1, the store 2; generation 2 of comfyui/venv)',
      '.cache: linked (the volume holds it)',
      'venv: unchanged (the volume already holds it)',
    ],
  },
  {
    title: 'is the pod’s own directory',
    arrange: ({ home }) => home.disk,
    says: ({ home }) => ignored(`${home.disk} and ${home.disk} are the same place`),
  },
  {
    title: 'is a link to the pod’s own directory',
    arrange: ({ home }) => {
      fs.symlinkSync(home.disk, path.join(home.path, 'link'))
      return path.join(home.path, 'link')
    },
    says: ({ home }) => ignored(`${home.path}/link and ${home.disk} are the same place`),
  },
  {
    title: 'is what the pod’s own directory is a link to',
    arrange: ({ home, volume }) => {
      fs.rmdirSync(home.disk)
      fs.symlinkSync(volume, home.disk)
      return volume
    },
    says: ({ home, volume }) => ignored(`${volume} and ${home.disk} are the same place`),
  },
  {
    title: 'is a directory on the pod’s own disk',
    arrange: ({ home }) => {
      fs.mkdirSync(home.at('volume/venv'), { recursive: true })
      fs.writeFileSync(home.at('volume/venv/of-another-pod'), '')
      return home.at('volume')
    },
    says: ({ home }) => ignored(`${home.disk}/volume lies inside ${home.disk}, on the same disk`),
  },
  {
    title: 'is mounted below the pod’s own directory',
    needs: 'mount',
    arrange: async (scene) => {
      mountTmpfs(scene.home.at('volume'), 'size=64m')
      await scene.live(['true'], { _NETWORK_VOLUME: scene.home.at('volume') })
      for (const name of ['venv', '.comfyui', '.cache', 'ComfyUI']) {
        fs.rmSync(scene.home.at(name), { recursive: true })
      }
      fs.rmSync(scene.home.at('.berth'), { recursive: true })
      return scene.home.at('volume')
    },
    says: () => ['venv: linked (the volume holds it)'],
  },
  {
    title: 'holds the pod’s own directory',
    arrange: async (scene) => {
      await scene.live()
      scene.home.moveTo(path.join(scene.volume, 'pods/1'))
      return scene.volume
    },
    says: () => ['venv: linked (the volume holds it)'],
  },
  {
    title: 'holds the pod’s own directory in its venv',
    arrange: async (scene) => {
      await scene.live()
      scene.home.moveTo(path.join(scene.volume, 'venv/pods/1'))
      return scene.volume
    },
    says: ({ home, volume }) => [
      `venv: the volume is passed over: ${home.disk}/venv lies inside ${volume}/venv`,
      unpacked(`${home.disk}/venv lies inside ${volume}/venv`),
      `moved from ${home.path}/disk/venv to ${home.disk}/venv: 4 files rewritten`,
      '.cache: linked (the volume holds it)',
    ],
  },
  {
    title: 'has a link to the pod’s own venv',
    arrange: ({ home, volume }) => {
      fs.symlinkSync(home.at('venv'), path.join(volume, 'venv'))
      return volume
    },
    says: ({ home, volume }) => [
      unpacked(`${volume}/venv and ${home.disk}/venv are the same place`),
      'venv: skipped (it and its place on the volume are the same, or lie in one another)',
    ],
  },
]
