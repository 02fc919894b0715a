import { expect, test } from 'vitest'
import { parseMacMounts } from './mac-mounts.ts'

// As macOS prints them, with macFUSE, osxfuse, FUSE-T and `rclone nfsmount`.
const text = `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s6 on /System/Volumes/VM (apfs, local, noexec, journaled, noatime, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
map -hosts on /net (autofs, nosuid, automounted, nobrowse)
//guest@nas._smb._tcp.local/Photo%20Library on /Volumes/Photo Library (smbfs, nodev, nosuid, mounted by ada)
s3fs@macfuse0 on /private/tmp/berth/mount (macfuse, nodev, nosuid, synchronous, mounted by ada)
sshfs#ada@127.0.0.1:/tmp/dir on /private/tmp/ssh (osxfuse, nodev, nosuid, synchronous, mounted by ada)
fuse-t:/berth-art on /Users/ada/art (nfs, nodev, nosuid, mounted by ada)
localhost:/AppMaterials on /Users/ada/A (copy) of on /x (nfs, nodev, nosuid, mounted by ada)
/dev/disk4s1 on /Volumes/My Disk (1) (hfs, local, nodev, nosuid, read-only, noowners, quarantine)
`

test('reads where something is mounted, with spaces and brackets in names', () => {
  expect(parseMacMounts(text).map(({ mountPoint, type }) => `${type} ${mountPoint}`)).toEqual([
    'apfs /',
    'devfs /dev',
    'apfs /System/Volumes/VM',
    'apfs /System/Volumes/Data',
    'autofs /System/Volumes/Data/home',
    'autofs /net',
    'smbfs /Volumes/Photo Library',
    'macfuse /private/tmp/berth/mount',
    'osxfuse /private/tmp/ssh',
    'nfs /Users/ada/art',
    'nfs /Users/ada/A (copy) of on /x',
    'hfs /Volumes/My Disk (1)',
  ])
})

test('reads the source and the options', () => {
  expect(parseMacMounts(text)[7]).toMatchObject({
    source: 's3fs@macfuse0',
    options: ['nodev', 'nosuid', 'synchronous', 'mounted by ada'],
  })
})

test('passes over what is no mount', () => {
  expect(parseMacMounts('')).toEqual([])
  expect(parseMacMounts('mount: usage\nnothing (here)\nfuse on nowhere (rw)\n')).toEqual([])
})
