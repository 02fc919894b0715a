import { writeSync } from 'node:fs'

// Scripts ask for it often, and wait: nothing else is loaded, not even what Node writes its output with.
if (process.argv[2] === '--version') {
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } })
  writeSync(1, `${manifest.version}\n`)
  process.exit(0)
}
const { runCommandLine } = await import('./command-line.ts')
await runCommandLine(process.argv.slice(2))
