import { spawnSync } from 'node:child_process'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished } from 'vitest'
import { CloseListener } from './close-listener.ts'

const { error } = spawnSync('python3', ['--version'])
const testListener = requirement('python', error === undefined || 'it is not installed')

testListener(
  'hears what is closed, renamed and removed, also in folders that are new',
  async () => {
    const root = await temporaryDirectory()
    const heard: string[] = []
    const listener = new CloseListener({
      closed: (path) => heard.push(`closed ${path.slice(root.length + 1)}`),
      gone: (path) => heard.push(`gone ${path.slice(root.length + 1)}`),
      missed: () => heard.push('missed'),
    })
    onTestFinished(() => listener.close())
    listener.start()
    await mkdir(join(root, 'there'))
    listener.listenTo(join(root, 'there'))
    listener.listenTo(root)
    // From when on it listens it does not say.
    const until = async (event: string, act = async () => undefined as unknown): Promise<void> => {
      for (let tries = 0; !heard.includes(event) && tries < 2_000; tries++) {
        await act()
        await sleep(10)
      }
      expect(heard).toContain(event)
    }
    await until('closed probe', () => writeFile(join(root, 'probe'), ''))
    heard.length = 0
    await writeFile(join(root, 'there/a.tmp'), 'a')
    await rename(join(root, 'there/a.tmp'), join(root, 'there/ü 1.png'))
    await until('closed there/ü 1.png')
    expect(heard.filter((event) => event !== 'closed probe')).toEqual([
      'closed there/a.tmp',
      'gone there/a.tmp',
      'closed there/ü 1.png',
    ])
    await mkdir(join(root, 'new/deep'), { recursive: true })
    await writeFile(join(root, 'new/deep/b'), 'b')
    await until('closed new/deep/b')
    await rename(join(root, 'new'), join(root, 'moved'))
    await until('closed moved/deep/b')
    expect(heard).toContain('gone new/')
    await rm(join(root, 'moved/deep/b'))
    await until('gone moved/deep/b')
    expect(heard).not.toContain('missed')
    expect(listener.isListening).toBe(true)
  },
)

testListener('says when it does not listen any more', async () => {
  const none = () => undefined
  const listener = new CloseListener({ closed: none, gone: none, missed: none })
  listener.start()
  expect(listener.isListening).toBe(true)
  listener.close()
  expect(listener.isListening).toBe(false)
})
