import * as fs from 'node:fs'
import * as path from 'node:path'
import { BOOT, type Failure, RESTORE, SAVE } from './failure.ts'
import {
  change,
  changeChunk,
  changeJson,
  changeManifest,
  changeRecipe,
  chunkOf,
  flipBit,
  MANIFEST,
} from './spoil.ts'

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
    says: `could not restore \`/here/pod/tree\`: chunks/<name>.zst is damaged: a frame does not decode: Data corruption detected  archive/corrupt-chunk
  To fix: run \`berth archive verify --repair --name app/tree --from DIRECTORY\` on a pod that still has the tree; else restore, with \`--at\`, an older generation that \`berth archive verify --name app/tree\` does not list
`,
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
    says: `could not restore \`/here/pod/tree\`: chunks/<name>.tar.zst is missing from file:///here/store  archive/missing-chunk
  To fix: run \`berth archive verify --repair --name app/tree --from DIRECTORY\` on a pod that still has the tree; else restore, with \`--at\`, an older generation that \`berth archive verify --name app/tree\` does not list
`,
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
    says: `could not restore \`/here/pod/tree\`: \`lib\` occurs twice in a directory or out of order, so that one entry could lie below or over another in snapshots/app/tree/@/00000001.json.zst  archive/unsafe-path
  To fix: restore, with \`--at\`, an older generation that \`berth archive verify\` does not list
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

/** Disks without room. A twin has the disk that everything else is on. */
export const disks: Failure[] = [
  {
    title: 'a disk that is too small for the tree',
    code: 'filesystem/no-room',
    says: `could not restore \`/here/disk/tree\`: 5.4 MB are needed and 1.0 MB are free at \`/here/disk/.berth/trees/tree\`  filesystem/no-room
  To fix: free some space there, or use a bigger disk
`,
    recipe: RESTORE.replace('pod/tree', 'disk/tree'),
    spoil: ({ here, mount }) => mount(`${here}/disk`, 'size=1m'),
  },
  {
    title: 'a disk without inodes',
    code: 'archive/no-room',
    recipe: RESTORE.replace('pod/tree', 'disk/tree'),
    spoil: ({ here, mount }) => mount(`${here}/disk`, 'size=64m,nr_inodes=2'),
  },
  {
    title: 'a disk that is read-only',
    code: 'archive/not-permitted',
    says: `could not restore \`/here/disk/tree\`: no directory can be made there; the file system is read-only, or a link on the way leads nowhere (/here/disk/.berth/trees/tree)  archive/not-permitted
  because ENOENT: no such file or directory, mkdir '/here/disk/.berth/trees/tree'
  To fix: choose a directory on a disk that can be written
`,
    recipe: RESTORE.replace('pod/tree', 'disk/tree'),
    spoil: ({ here, mount }) => mount(`${here}/disk`, 'ro'),
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
