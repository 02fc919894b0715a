import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'

/** What recipes/comfyui.yaml keeps. */
export const DIRECTORIES = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']

/** Fills a pod's disk as ComfyUI and its user would, with one of each thing that backup programs get wrong. */
export function fillDisk(pod: string): void {
  write(pod, '.comfyui/settings.json', '{ "theme": "dark" }\n', 0o600)
  write(pod, '.comfyui/workflows/first portrait – ü.json', '{ "nodes": [] }\n')
  // Random, so that it can't shrink: big enough to be cut into segments rather than grouped.
  write(pod, '.cache/models/embedding.bin', randomBytes(6 * 1024 * 1024))
  write(pod, '.cache/models/empty.lock', '')
  makeNode(pod, 'ComfyUI-Manager', 60)
  makeNode(pod, 'was-node-suite', 140)
  fs.mkdirSync(path.join(pod, 'ComfyUI/custom_nodes/was-node-suite/output'))
  fs.symlinkSync('/etc/hostname', path.join(pod, 'ComfyUI/custom_nodes/outside'))
  fs.symlinkSync('ComfyUI-Manager', path.join(pod, 'ComfyUI/custom_nodes/manager'))
  const first = path.join(pod, '.cache/models/embedding.bin')
  fs.linkSync(first, path.join(pod, '.cache/models/embedding-copy.bin'))
  const notUtf8 = Buffer.concat([Buffer.from(`${pod}/.cache/caf`), Buffer.from([0xe9])])
  fs.writeFileSync(notUtf8, 'a name in latin1\n')
}

/** A custom node as `git clone` leaves it: sources, and read-only objects below `.git`. */
function makeNode(pod: string, name: string, files: number): void {
  const node = `ComfyUI/custom_nodes/${name}`
  write(pod, `${node}/__init__.py`, 'NODE_CLASS_MAPPINGS = {}\n')
  write(pod, `${node}/install.sh`, '#!/bin/sh\nexit 0\n', 0o755)
  write(pod, `${node}/.git/HEAD`, 'ref: refs/heads/main\n')
  for (let index = 0; index < files; index += 1) {
    const id = randomBytes(20).toString('hex')
    write(pod, `${node}/.git/objects/${id.slice(0, 2)}/${id.slice(2)}`, randomBytes(300), 0o444)
    write(pod, `${node}/nodes/node_${index}.py`, `class Node${index}:\n    pass\n`)
  }
}

function write(pod: string, name: string, content: string | Buffer, mode = 0o644): void {
  const file = path.join(pod, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
  fs.chmodSync(file, mode)
}

/** The pod is gone, and its disk with it; the next one gets an empty one. */
export function wipeDisk(pod: string): void {
  fs.rmSync(pod, { recursive: true, force: true })
  fs.mkdirSync(pod)
}

/** Key to size of everything in a `file://` store. */
export function listStore(store: string): Map<string, number> {
  const entries = fs.readdirSync(store, { recursive: true, withFileTypes: true })
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [path.relative(store, file), fs.statSync(file).size]),
  )
}
