import { symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refuseSystemRoot } from './system-root.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

const refused =
  '/ // /usr /usr/ /usr/../etc /etc /home /home/me /root /tmp /proc/1 /sys/fs/cgroup /bin/x /lib/x /dev/sda /dev/shm /var/lib /usr/local /boot/x /mnt /workspace/..'

test.each([...refused.split(' '), homedir()])('refuses %s', (path) => {
  expect(() => refuseSystemRoot(path)).toThrow(
    expect.objectContaining({ code: 'filesystem/system-root' }),
  )
})

const allowed =
  '/workspace /workspace/venv /data /home/me/venv /root/.cache /mnt/volume /dev/shm/berth /opt/app /usr/local/venv /tmp/x /runpod-volume /binary'

test.each([...allowed.split(' '), join(homedir(), 'work')])('allows %s', (path) => {
  expect(() => refuseSystemRoot(path)).not.toThrow()
})

test.each(['', 'workspace', './x', '~/x', '/work\0space'])('calls %j a bad path', (path) => {
  expect(() => refuseSystemRoot(path)).toThrow(
    expect.objectContaining({ code: 'filesystem/bad-path' }),
  )
})

test('looks at where the parent really is', () => {
  const directory = makeTemporaryDirectory()
  symlinkSync('/', join(directory, 'link'))
  expect(() => refuseSystemRoot(join(directory, 'link/usr'))).toThrow('a directory of the system')
})
