// `npm run build`: the command as one package, in dist/, and as one executable, in build/dist/. With `--package` or `--executable`
// only that.
import * as path from 'node:path'
import { buildExecutable } from './executable.ts'
import { buildPackage } from './package.ts'

const wanted = process.argv.slice(2)
const [isPackage, isExecutable] = ['--package', '--executable'].map(
  (name) => wanted.length === 0 || wanted.includes(name),
)

if (isPackage) {
  const { files, bytes } = await buildPackage()
  process.stdout.write(`packages/cli/dist: ${files} files, ${megabytes(bytes)}\n`)
}
if (isExecutable) {
  const cli = path.dirname(import.meta.dirname)
  const file = path.join(import.meta.dirname, 'dist/berth')
  const bytes = await buildExecutable({ cli, node: process.execPath, file })
  process.stdout.write(`packages/cli/build/dist/berth: ${megabytes(bytes)}\n`)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
