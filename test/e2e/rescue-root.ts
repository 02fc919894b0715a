import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const TOOLS = ['sh', 'zstd', 'tar', 'jq']
const COREUTILS = 'basename chmod chown cut id ln ls mkdir mktemp printf rm touch'.split(' ')

/** Why no rescue root can be made here, or `undefined`. */
export function missingRescueTools(): string | undefined {
  if (process.getuid?.() !== 0) return 'chroot needs root'
  const missing = [...TOOLS, ...COREUTILS, 'ldd'].filter((tool) => findTool(tool) === undefined)
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed`
}

/** A root directory with a shell, zstd, tar, jq, coreutils, the libraries that they load, and nothing else. */
export function makeRescueRoot(root: string): string {
  for (const folder of ['bin', 'tmp', 'dev']) mkdirSync(join(root, folder), { recursive: true })
  for (const tool of [...TOOLS, ...COREUTILS]) {
    const path = findTool(tool) ?? tool
    copyFileSync(realpathSync(path), join(root, 'bin', basename(path)))
    for (const library of librariesOf(path)) {
      mkdirSync(join(root, dirname(library)), { recursive: true })
      copyFileSync(realpathSync(library), join(root, library))
    }
  }
  return root
}

function findTool(tool: string): string | undefined {
  return ['/bin', '/usr/bin', '/usr/local/bin']
    .map((folder) => join(folder, tool))
    .find((path) => existsSync(path))
}

function librariesOf(path: string): string[] {
  return [
    ...execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(0x/g),
  ].map((match) => match[1] ?? '')
}
