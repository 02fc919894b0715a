import { hash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount } from '@berth/core/testing'
import { expect } from 'vitest'
import { type Listing, compareListings, listTree } from '../demo/listing.ts'
import { mountTmpfs } from './mounted.ts'
import { DIRECTORIES, Home, RunningPod, fillDisk } from './running-pod.ts'

export const canMount = mayMount()

/** A pod with a full disk beside an empty network volume, which is a file system of its own where that can be. */
export class Scene {
  readonly home = new Home()
  readonly volume = path.join(this.home.path, 'volume')
  /** What the pod's directories held when `remember` was called last. */
  left: Listing = new Map()
  private leftAt = ''

  constructor(mountOptions = 'size=256m') {
    fillDisk(this.home)
    if (canMount === true) mountTmpfs(this.volume, mountOptions)
    else fs.mkdirSync(this.volume)
  }

  boot(command: string[], env: NodeJS.ProcessEnv = {}): RunningPod {
    return new RunningPod({
      home: this.home,
      command,
      env: { _NETWORK_VOLUME: this.volume, ...env },
    })
  }

  /** A whole life with which all was well, of an app that ends by itself. */
  async live(command = ['true'], env: NodeJS.ProcessEnv = {}): Promise<RunningPod> {
    const pod = this.boot(command, env)
    expect((await pod.ended).code, pod.output).toBe(0)
    return pod
  }

  /** Remembers what the disk holds, and wipes it. */
  remember(): void {
    this.left = listTree(this.home.disk, DIRECTORIES)
    this.leftAt = this.home.disk
    this.home.wipe()
  }

  /** How the disk differs from what was remembered. Where a disk at another place says that place, it says what it said. */
  differences(): string[] {
    const now = listTree(this.home.disk, DIRECTORIES)
    if (this.home.disk === this.leftAt) return compareListings(this.left, now)
    for (const [name, entry] of now) {
      if (entry.type !== 'file' || entry.content === this.left.get(name)?.content) continue
      const text = fs.readFileSync(this.home.at(name), 'latin1')
      const before = text.replaceAll(this.home.disk, this.leftAt)
      const content = hash('sha256', Buffer.from(before, 'latin1'))
      now.set(name, { ...entry, content })
    }
    return compareListings(this.left, now)
  }

  linkOf(directory: string): string {
    const at = this.home.at(directory)
    const isLink = fs.lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()
    return isLink ? fs.readlinkSync(at) : 'no link'
  }
}
