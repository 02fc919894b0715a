// Reads and checks a manifest ten times in one process. Argument: its file. Prints milliseconds as JSON.
import * as fs from 'node:fs'
import { decodeManifest } from '../../packages/archive/src/format/manifest.ts'
import { median } from './statistics.ts'

const [file = ''] = process.argv.slice(2)
const bytes = fs.readFileSync(file)
const times = Array.from({ length: 10 }, () => {
  const began = performance.now()
  decodeManifest(bytes, file)
  return performance.now() - began
})
console.log(JSON.stringify({ firstParseMs: times[0], parseMs: median(times.slice(5)) }))
