import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, startLinkingPod, until } from './linking.ts'

const may = mayLink('s3fs')
const testLink = requirement('s3fs', may)

let pod: LinkingPod

beforeEach(async () => {
  if (may === true) pod = await startLinkingPod()
})

afterEach(async () => {
  if (may === true) await pod.end()
})

testLink(
  'what is in a folder is planned, moved, and removed from the disk when that is asked for',
  async () => {
    const { root, berth, url, store } = pod
    const output = path.join(root, 'output')
    fs.mkdirSync(path.join(output, 'empty'), { recursive: true })
    for (const name of ['a.png', 'b.png']) fs.writeFileSync(path.join(output, name), name)
    fs.symlinkSync('a.png', path.join(output, 'latest.png'))
    await store.put('output/b.png', Buffer.from('theirs'))
    const link = ['link', root, '--store', url, '--driver', 's3fs']

    const planned = berth([...link, '--dry-run', '--json'])
    expect(planned.stderr).toBe('')
    expect(JSON.parse(planned.stdout)).toMatchObject({
      driver: 's3fs',
      move: {
        files: 2,
        bytes: 10,
        taken: [{ path: 'b.png', size: 5, sizeInBucket: 6 }],
        leftOut: [{ path: 'latest.png', why: 'a link' }],
        emptyFolders: ['empty'],
      },
    })
    expect(berth([...link, '--dry-run']).stdout).toContain('would move 2 files, 10 B')
    expect(fs.readdirSync(output).toSorted()).toEqual(['a.png', 'b.png', 'empty', 'latest.png'])

    const recipe = path.join(root, 'recipe.yaml')
    fs.writeFileSync(
      recipe,
      `name: move\nboot:\n  - uses: s3-link/link\n    with: { workspace: ${root}, store: "${url}", driver: s3fs }\n`,
    )
    expect(berth(['plan', recipe]).stdout).toContain('moves 2 files, 10 B, into the bucket')

    expect(berth(link).code).toBe(0)
    const original = `${output}.berth-original`
    expect(fs.readFileSync(path.join(output, 'a.png'), 'utf8')).toBe('a.png')
    expect(fs.readFileSync(path.join(output, 'b.png'), 'utf8')).toBe('theirs')
    expect(fs.statSync(path.join(output, 'empty')).isDirectory()).toBe(true)
    expect(fs.readdirSync(original)).toHaveLength(4)

    const wrong = berth([...link, '--dry-run'], { env: { AWS_SECRET_ACCESS_KEY: 'b'.repeat(40) } })
    expect(wrong.stderr).toContain('object-store/bad-credentials')
    expect(wrong.stderr).not.toContain('.png')
    fs.writeFileSync(path.join(original, 'a.png'), 'changed')
    const soon = berth([...link, '--remove-originals', '--dry-run']).stdout
    expect(soon).toContain('a.png: replaces what this folder sent before')
    expect(soon).toContain('would then remove the originals of 1 file, 7 B')
    expect(soon).toContain('would keep: b.png, it is in the bucket under another name')

    const freed = berth([...link, '--remove-originals'])
    expect(freed.code).toBe(0)
    expect(freed.stderr).toContain('removed the originals of 1 file, 7 B')
    expect(freed.stderr).toContain('kept `b.png`: it is in the bucket under another name')
    expect(fs.readdirSync(original).toSorted()).toEqual(['b.png', 'latest.png'])
    expect(berth(['unlink', root]).code).toBe(0)
    // It was sent from what lies beside the folder by now.
    fs.writeFileSync(path.join(output, 'c.png'), 'new')
    expect(berth(['plan', recipe]).stdout).toContain(
      'moves 2 files, 8 B, into the bucket (not sent before: 1 file, 3 B)',
    )
  },
  60_000,
)

testLink(
  'a watched folder is paused, limited and gone on with by linking it again',
  async () => {
    const { root, berth, url, store } = pod
    const link = ['link', root, '--store', url, '--driver', 'watch', '--json']
    const resultOf = (...more: string[]): string =>
      (JSON.parse(berth([...link, ...more]).stdout) as { result: string }).result
    expect(resultOf('--option', 'paused=true')).toBe('done')
    expect(resultOf('--option', 'paused=true')).toBe('unchanged')
    fs.writeFileSync(path.join(root, 'output', 'a.png'), 'a')
    await until(async () => (await pod.status()).pending.files === 1)
    expect(await pod.status()).toMatchObject({
      warnings: [{ code: 's3-link/paused' }],
      safeToStop: { safe: false, files: 1 },
    })
    expect(await store.get('output/a.png')).toBeUndefined()
    expect(resultOf('--option', 'bandwidth=1MiB')).toBe('done')
    await until(async () => (await pod.status()).safeToStop.safe)
    expect((await store.get('output/a.png'))?.toString()).toBe('a')

    const part = fs.openSync(path.join(root, 'output', 'model.part'), 'w')
    fs.writeSync(part, 'half')
    await until(async () => !(await pod.status()).safeToStop.safe)
    const early = berth(['unlink', root, '--within', '2s'])
    expect(early.code).not.toBe(0)
    expect(early.stderr).toContain('model.part')
    fs.closeSync(part)
    fs.renameSync(path.join(root, 'output', 'model.part'), path.join(root, 'output', 'model'))
    expect(berth(['unlink', root]).code).toBe(0)
    expect((await store.get('output/model'))?.toString()).toBe('half')
  },
  60_000,
)
