import * as fs from 'node:fs'
import * as path from 'node:path'
import { expect } from 'vitest'
import { type Listing, listTree } from '../demo/listing.ts'
import { mayMount, mountTmpfs } from './mounted.ts'
import { DIRECTORIES, Home, RunningPod, fillDisk } from './running-pod.ts'

export const canMount = mayMount()

/** A pod with a full disk beside an empty network volume, which is a file system of its own where that can be. */
export class Scene {
  readonly home = new Home()
  readonly volume = path.join(this.home.path, 'volume')
  /** What the pod's directories held when `remember` was called last. */
  left: Listing = new Map()

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
    this.home.wipe()
  }

  linkOf(directory: string): string {
    const at = this.home.at(directory)
    const isLink = fs.lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()
    return isLink ? fs.readlinkSync(at) : 'no link'
  }
}
