import { resolve } from 'node:path'
import { damageHint, readRecord, verifyArchive } from '@berth/archive'
import { BerthError, unchanged, type PlannedAction, type StepContext } from '@berth/core'
import { openStore } from '@berth/object-store'
import { startVenvs } from './start-venvs.ts'

export interface VerifyInputs {
  directory: string
  store: string
  archive: string
}

/** Proves that the tree can be used and that the store could give it back. */
export async function verifyVenv(context: StepContext<VerifyInputs>) {
  const { inputs, workingDirectory, signal } = context
  refuseMissingName(inputs)
  const directory = resolve(workingDirectory, inputs.directory)
  const venvs = await startVenvs(directory, { signal })
  if (venvs.length === 0) {
    throw new BerthError(
      'venv-archive/no-venv',
      `could not verify \`${directory}\`: it holds no venv`,
      {
        hint: 'name a directory with a `pyvenv.cfg` in it, or up to two levels below',
      },
    )
  }
  const chunks = inputs.store === '' ? 0 : await verifyStored(context, directory)
  const python = venvs.map((venv) => venv.python)
  return unchanged('everything is whole', { venvs: venvs.length, python, chunks })
}

/** What a verification would read. */
export function planVerify({ inputs }: Pick<StepContext<VerifyInputs>, 'inputs'>): PlannedAction {
  refuseMissingName(inputs)
  const stored = inputs.store === '' ? '' : `, and read ${inputs.archive} in ${inputs.store}`
  return { action: 'run', summary: `start the venvs in ${inputs.directory}${stored}` }
}

/** Reads the snapshot that the tree is at, or all of them when it is at none. */
async function verifyStored(
  context: StepContext<VerifyInputs>,
  directory: string,
): Promise<number> {
  const { inputs, env, signal, progress } = context
  const store = await openStore(inputs.store, { env, signal })
  try {
    const record = await readRecord(directory)
    const isOf = record?.complete === true && record.archive === inputs.archive
    const snapshot = isOf ? record.sibling || record.snapshot : ''
    const { snapshots, chunks, problems } = await verifyArchive({
      store,
      name: inputs.archive,
      ...(snapshot === '' ? {} : { snapshot }),
      signal,
      onProgress: ({ done, total }) => progress({ done, total, unit: 'bytes' }),
    })
    if (snapshots === 0) {
      throw new BerthError(
        'venv-archive/absent',
        `could not verify \`${inputs.archive}\`: ${store.url} has no such snapshot`,
        {
          hint: 'save the tree first, or correct the name',
        },
      )
    }
    if (problems.length === 0) return chunks
    throw new BerthError(
      'venv-archive/damaged',
      `could not verify \`${inputs.archive}\`: ${problems.length} of its objects are damaged or missing; the first: ${problems[0]?.message}`,
      { hint: damageHint(inputs.archive) },
    )
  } finally {
    await store.close()
  }
}

function refuseMissingName({ store, archive }: VerifyInputs): void {
  if (store === '' || archive !== '') return
  throw new BerthError(
    'venv-archive/no-archive',
    `could not verify the store \`${store}\`: no archive is named`,
    {
      hint: 'give `archive`, such as `comfyui/venv`',
    },
  )
}
