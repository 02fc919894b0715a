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
export const SAVE = RESTORE.replaceAll('restore', 'save').replace('pod/tree', 'tree')
export const BOOT = 'berth boot recipe.yaml -- touch main-canary'
