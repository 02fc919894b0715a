import * as fs from 'node:fs'
import * as path from 'node:path'
import { readRecipe } from '@berth/core'

const STEPS = 10

/** At most, in a process that has checked one before. */
export const CHECK_TARGET_MS = 30

/** How long it takes to read and check a recipe of ten steps: the first in this process, and each of the others. */
export async function timeChecks(folder: string, times: number): Promise<number[]> {
  const file = path.join(folder, 'ten-steps.yaml')
  const steps = Array.from({ length: STEPS }, (_, index) => step(`step${index}`))
  fs.writeFileSync(
    file,
    `vars: { store: { env: BERTH_STORE, default: "file:///store" } }\nboot:\n${steps.join('')}`,
  )
  const found: number[] = []
  for (let round = 0; round < times; round += 1) {
    const before = performance.now()
    await readRecipe(file, {})
    found.push(performance.now() - before)
  }
  return found
}

function step(id: string): string {
  return `  - id: ${id}
    run: |
      echo "\${{ vars.store }}"
    if: "vars.store != ''"
    timeout: 1m
    retry: { attempts: 2 }
    outputs: [text]
`
}
