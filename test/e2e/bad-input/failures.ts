import * as fs from 'node:fs'
import * as path from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { decodeManifest, encodeManifest } from '../../../packages/archive/src/manifest.ts'
import type { Manifest } from '../../../packages/archive/src/manifest.ts'
import type { World } from './world.ts'

/** Something that only a run can find. Its twin is the same command in a world that nothing has spoiled. */
export interface Failure {
  title: string
  code: string
  /** All that is said of it; only its code and that there is a cure when left out. */
  says?: string
  recipe?: string
  command?: string
  /** Makes the fault. */
  spoil: (world: World) => void
}

/** Of a failure that has none of its own. */
export const RESTORE = `vars: { store: { env: BERTH_STORE } }
boot:
  - id: restore
    uses: venv-archive/restore
    with: { directory: pod/tree, archive: app/tree, store: "\${{ vars.store }}" }
  - run: touch canary
`
const SAVE = RESTORE.replaceAll('restore', 'save').replace('pod/tree', 'tree')
const SHARED = `vars: { store: { env: BERTH_STORE } }
boot:
  - id: restore
    uses: restore/shared
    with: { to: pod, archive: app, directories: [tree, other], store: "\${{ vars.store }}" }
  - run: touch canary
`
const COPY = `boot:
  - id: copy
    uses: shared-data/copy
    with: { from: pod, volume: volume, directories: [tree] }
  - run: touch canary
`
const BOOT = 'berth boot recipe.yaml -- touch main-canary'
const MANIFEST = 'store/snapshots/app/tree/@/00000001.json.zst'

/** Faults of a store in a directory, and of the pod's own disk. */
export const damages: Failure[] = [
  {
    title: 'a chunk that is cut',
    code: 'archive/corrupt-chunk',
    command: BOOT,
    spoil: (world) => changeChunk(world, 'tar.zst', (bytes) => bytes.subarray(0, -7)),
  },
  {
    title: 'a segment that is cut',
    code: 'archive/corrupt-chunk',
    spoil: (world) => changeChunk(world, 'zst', (bytes) => bytes.subarray(0, bytes.length >> 1)),
  },
  {
    title: 'a chunk with a bit that flipped',
    code: 'archive/corrupt-chunk',
    spoil: (world) => changeChunk(world, 'tar.zst', flipBit),
  },
  {
    title: 'a segment with a bit that flipped',
    code: 'archive/corrupt-chunk',
    spoil: (world) => changeChunk(world, 'zst', flipBit),
  },
  {
    title: 'two chunks that are swapped',
    code: 'archive/corrupt-chunk',
    spoil: (world) => {
      const [group, segment] = [chunkOf(world, 'tar.zst'), chunkOf(world, 'zst')]
      fs.renameSync(group, `${group}.kept`)
      fs.renameSync(segment, group)
      fs.renameSync(`${group}.kept`, segment)
    },
  },
  {
    title: 'a chunk that is missing',
    code: 'archive/missing-chunk',
    spoil: (world) => fs.rmSync(chunkOf(world, 'tar.zst')),
  },
  {
    title: 'a damaged archive that is restored by hand',
    code: 'archive/corrupt-chunk',
    command: 'berth archive restore pod/tree --name app/tree && touch canary',
    spoil: (world) => changeChunk(world, 'zst', flipBit),
  },
  {
    title: 'one damaged directory of two',
    code: 'archive/corrupt-chunk',
    recipe: SHARED,
    spoil: (world) => changeChunk(world, 'tar.zst', flipBit),
  },
  {
    title: 'a manifest that is cut',
    code: 'archive/bad-manifest',
    spoil: (world) =>
      change(path.join(world.here, MANIFEST), (bytes) => bytes.subarray(0, bytes.length - 9)),
  },
  {
    title: 'a manifest whose files lie in `../`',
    code: 'archive/unsafe-path',
    spoil: (world) =>
      changeJson(world, (manifest) => {
        manifest.directories.names = manifest.directories.names.replace('lib', '..')
      }),
  },
  {
    title: 'a manifest with a file that is called `..`',
    code: 'archive/unsafe-path',
    spoil: (world) =>
      changeJson(world, (manifest) => {
        manifest.files.names = manifest.files.names.replace('module.py', '..')
      }),
  },
  {
    title: 'a manifest with files below a symlink',
    code: 'archive/unsafe-path',
    says: `\`lib\` occurs twice, so that one entry would lie below or over another in snapshots/app/tree/@/00000001.json.zst  archive/unsafe-path
  To fix: restore an older generation with \`--at\`, and run \`berth archive verify\` to see what else is damaged
`,
    spoil: (world) =>
      changeManifest(world, ({ tree }) => {
        tree.links.push({ path: 'lib', target: '/etc', uid: 0, gid: 0, mtime: 0 })
      }),
  },
  {
    title: 'a manifest with one file over another',
    code: 'archive/unsafe-path',
    spoil: (world) =>
      changeManifest(world, ({ tree }) => {
        tree.files.push({ ...tree.files[0]! })
      }),
  },
  {
    title: 'a manifest of a later version',
    code: 'archive/newer-format',
    spoil: (world) =>
      changeJson(world, (manifest) => {
        manifest.format = 2
      }),
  },
  {
    title: 'a store of a later version',
    code: 'archive/newer-format',
    says: `could not read berth.json in file:///here/store: it has format 2, this berth knows 1  archive/newer-format
  To fix: use the berth version that wrote it, or a later one
`,
    recipe: SAVE,
    spoil: ({ here }) => fs.writeFileSync(`${here}/store/berth.json`, '{"format":2}'),
  },
  {
    title: 'a store that is another program’s',
    code: 'archive/bad-store',
    spoil: ({ here }) => fs.writeFileSync(`${here}/store/berth.json`, '<html>'),
  },
  {
    title: 'a store that is a file',
    code: 'object-store/not-a-directory',
    says: `could not read \`berth.json\` in file:///here/store: a part of the path is a file  object-store/not-a-directory
  because ENOTDIR: not a directory, open '/here/store/berth.json'
  To fix: choose another directory, or move that file away
`,
    spoil: ({ here }) => {
      fs.rmSync(`${here}/store`, { recursive: true })
      fs.writeFileSync(`${here}/store`, '')
    },
  },
  {
    title: 'a generation that there is not',
    code: 'archive/missing-snapshot',
    spoil: (world) => changeRecipe(world, 'app/tree,', 'app/tree, at: "7",'),
  },
  {
    title: 'an archive that must be there',
    code: 'venv-archive/absent',
    says: `could not restore \`app/three\`: the store \`file:///here/store\` has no such archive  venv-archive/absent
  To fix: save one first, or correct the name: \`berth archive list\` shows what the store holds
`,
    spoil: (world) => changeRecipe(world, 'app/tree,', 'app/three, required: true,'),
  },
  {
    title: 'a directory of the user’s that must not be moved',
    code: 'archive/existing',
    spoil: (world) => changeRecipe(world, 'app/tree,', 'app/tree, existing: fail,'),
  },
  {
    title: 'a file in the place of one directory of two',
    code: 'restore/occupied',
    recipe: SHARED,
    spoil: ({ here }) => {
      fs.rmSync(`${here}/pod/tree`, { recursive: true })
      fs.writeFileSync(`${here}/pod/tree`, 'a file')
    },
  },
  {
    title: 'a link that leads nowhere',
    code: 'venv-archive/broken-link',
    spoil: ({ here }) => {
      fs.rmSync(`${here}/pod/tree`, { recursive: true })
      fs.symlinkSync('/nowhere', `${here}/pod/tree`)
    },
  },
  {
    title: 'a volume that is a file',
    code: 'shared-data/no-volume',
    says: `could not copy to \`/here/volume\`: it is not a directory  shared-data/no-volume
  To fix: give the output of \`network-volume/detect\`, which is empty where there is no volume
`,
    recipe: COPY,
    command: '[ -e volume ] || mkdir volume; berth run recipe.yaml boot',
    spoil: ({ here }) => fs.writeFileSync(`${here}/volume`, ''),
  },
]

/** Faults of a server, or of what leads to it. `BERTH_STORE` and the keys are right until they are spoilt. */
export const refusals: Failure[] = [
  {
    title: 'a server that is down',
    code: 'object-store/unreachable',
    says: `could not ask s3://berth-test/pods?endpoint=http://127.0.0.1:0: http://127.0.0.1:0: connection refused (ECONNREFUSED) (some tries)  object-store/unreachable
  To fix: check the endpoint http://127.0.0.1:0 and that this machine can reach it
`,
    command: BOOT,
    spoil: (world) => changeStore(world, /endpoint=.*/, 'endpoint=http://127.0.0.1:1'),
  },
  {
    title: 'an endpoint without TLS that is asked for it',
    code: 'object-store/unreachable',
    says: `could not ask s3://berth-test/pods?endpoint=https://127.0.0.1:0: https://127.0.0.1:0: EPROTO: the TLS handshake failed, wrong version number  object-store/unreachable
  To fix: check that https://127.0.0.1:0 has the right scheme (http or https) and a certificate that this machine trusts (NODE_EXTRA_CA_CERTS)
`,
    spoil: (world) => changeStore(world, 'endpoint=http:', 'endpoint=https:'),
  },
  {
    title: 'a secret key that is wrong',
    code: 'object-store/bad-credentials',
    says: `could not ask s3://berth-test/pods?endpoint=http://127.0.0.1:0: 403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your key and signing method  object-store/bad-credentials
  To fix: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary keys, AWS_SESSION_TOKEN
`,
    spoil: ({ env }) => {
      env['AWS_SECRET_ACCESS_KEY'] = 'this-is-not-the-secret'
    },
  },
  {
    title: 'a key that the server does not know',
    code: 'object-store/bad-credentials',
    spoil: ({ env }) => {
      env['AWS_ACCESS_KEY_ID'] = 'AKIAUNKNOWN'
    },
  },
  {
    title: 'no keys at all',
    code: 'object-store/no-credentials',
    spoil: ({ env }) => {
      delete env['AWS_ACCESS_KEY_ID']
      delete env['AWS_SECRET_ACCESS_KEY']
    },
  },
  {
    title: 'a bucket that there is not',
    code: 'object-store/no-such-bucket',
    spoil: (world) => changeStore(world, /s3:\/\/[^/]+/, 's3://no-such-bucket'),
  },
  {
    title: 'a bucket that there is not, for a save',
    code: 'object-store/no-such-bucket',
    says: `could not ask s3://no-such-bucket/saves?endpoint=http://127.0.0.1:0: 404 NoSuchBucket: The specified bucket does not exist  object-store/no-such-bucket
  To fix: create the bucket \`no-such-bucket\`, or correct its name, the endpoint or the region
`,
    recipe: SAVE,
    // The twin's save must not change what the others restore from.
    command: 'BERTH_STORE=${BERTH_STORE/pods/saves} berth run recipe.yaml boot',
    spoil: (world) => changeStore(world, /s3:\/\/[^/]+/, 's3://no-such-bucket'),
  },
]

/** Disks without room. A twin has the disk that everything else is on. */
export const disks: Failure[] = [
  {
    title: 'a disk without inodes',
    code: 'archive/no-room',
    recipe: RESTORE.replace('pod/tree', 'disk/tree'),
    spoil: ({ here, mount }) => mount(`${here}/disk`, 'size=64m,nr_inodes=2'),
  },
  {
    title: 'a store on a full disk',
    code: 'object-store/no-room',
    recipe: SAVE,
    spoil: ({ here, mount }) => {
      fs.renameSync(`${here}/store`, `${here}/kept`)
      mount(`${here}/store`, 'size=640k')
      fs.cpSync(`${here}/kept`, `${here}/store`, { recursive: true })
      fs.rmSync(`${here}/kept`, { recursive: true })
    },
  },
]

function chunkOf({ here }: World, ending: 'zst' | 'tar.zst'): string {
  const folder = `${here}/store/chunks`
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const isGroup = (file: string) => file.endsWith('.tar.zst')
  const found = files.find(
    (file) => file.endsWith('.zst') && isGroup(file) === (ending === 'tar.zst'),
  )
  if (found === undefined) throw new Error(`the store has no chunk that ends with ${ending}`)
  return path.join(folder, found)
}

function changeChunk(
  world: World,
  ending: 'zst' | 'tar.zst',
  edit: (bytes: Buffer) => Uint8Array,
): void {
  change(chunkOf(world, ending), edit)
}

function change(file: string, edit: (bytes: Buffer) => Uint8Array): void {
  fs.writeFileSync(file, edit(fs.readFileSync(file)))
}

function flipBit(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  return bytes
}

/** What a manifest's JSON holds of what is spoilt here. */
interface ManifestJson {
  format: number
  directories: { names: string }
  files: { names: string }
}

function changeJson({ here }: World, edit: (manifest: ManifestJson) => void): void {
  change(path.join(here, MANIFEST), (bytes) => {
    const manifest = JSON.parse(zstdDecompressSync(bytes).toString()) as ManifestJson
    edit(manifest)
    return zstdCompressSync(JSON.stringify(manifest))
  })
}

function changeManifest({ here }: World, edit: (manifest: Manifest) => void): void {
  change(path.join(here, MANIFEST), (bytes) => {
    const manifest = decodeManifest(bytes, MANIFEST)
    edit(manifest)
    return encodeManifest(manifest)
  })
}

function changeRecipe({ here }: World, from: string, to: string): void {
  change(`${here}/recipe.yaml`, (bytes) => Buffer.from(bytes.toString().replace(from, to)))
}

function changeStore({ env }: World, from: string | RegExp, to: string): void {
  env['BERTH_STORE'] = env['BERTH_STORE']?.replace(from, to) ?? ''
}
