import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import type { StepDefinition } from '@berth/core'
import { requirement, runStep, temporaryDirectory, testPlugin } from '@berth/core/testing'
import { missingS3Server, startS3Server, type S3Server } from '@berth/object-store/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
import { s3Link } from '@berth/s3-link'
import { findPlaces, readStatuses, unmountBucket } from '@berth/s3-link/links'

const missing = missingTools()
const testMount = requirement('s3fs', missing ?? true)

let server: S3Server
let env: Record<string, string>

describe.runIf(missing === undefined)('on a real mount', () => {
  beforeAll(async () => {
    server = await startS3Server()
  })

  // Before the server ends: a mount without one would hang whoever looks into it.
  afterEach(async () => {
    await unmountBucket({ env, deadline: Date.now() + 10_000 })
  })

  afterAll(() => server.close())

  beforeEach(async () => {
    env = { PATH: process.env['PATH'] ?? '', BERTH_LINK_DIR: await temporaryDirectory() }
  })

  testPlugin(s3Link, {
    link: {
      prepare: (workspace) => ({ inputs: linkInputs(workspace), env, secrets: server.env }),
      bad: {
        'a user that leads elsewhere': { user: '../x' },
        'a folder with a comma': { folder: 'out,put' },
        'no bucket': { store: 'file:///data' },
        'a bucket that is not there': {
          store: 's3://not-there?endpoint=http://127.0.0.1:1',
          driver: 's3fs',
        },
        'an option of an old guide': { options: { cache: '/tmp/x' } },
      },
    },
    test: {
      prepare: (workspace) => ({
        inputs: { store: linkInputs(workspace).store },
        env,
        secrets: server.env,
      }),
      bad: { 'no bucket': { store: '' } },
      second: 'done',
    },
    unlink: {
      prepare: async (workspace) => {
        await linkOnce(workspace)
        return { inputs: { workspace, within: '10s' }, env }
      },
      bad: { 'a user that leads elsewhere': { user: '..' } },
    },
    unmount: {
      prepare: async (workspace) => {
        await linkOnce(workspace)
        return { inputs: { workspace, within: '10s' }, env }
      },
      bad: { 'a time without a unit': { within: '10' } },
    },
    status: {
      prepare: () => ({ inputs: {}, env }),
      bad: { 'an unknown input': { path: '/x' } },
      second: 'done',
    },
  })

  testMount('calls nothing safe that waits beside a folder for its next link', async () => {
    const workspace = await temporaryDirectory()
    const run = async (name: string) =>
      (await runStep(s3Link.steps[name] as StepDefinition, { workspace }, { env })).outcome
    await linkOnce(workspace)
    expect(await run('unmount')).toMatchObject({ result: 'done' })
    expect(await run('status')).toMatchObject({ facts: { safe: true, files: 0 } })
    writeFileSync(join(workspace, 'output', 'late.png'), 'late')
    expect(await run('status')).toMatchObject({ facts: { safe: false, files: 1, bytes: 4 } })
    // A new container on the same disk knows of no mount.
    env = { ...env, BERTH_LINK_DIR: await temporaryDirectory() }
    expect(await run('status')).toMatchObject({ facts: { safe: false, files: 1, bytes: 4 } })
  })

  testMount('refuses what is not ours, and touches nothing', async () => {
    const workspace = await temporaryDirectory()
    mkdirSync(join(workspace, 'elsewhere'))
    symlinkSync(join(workspace, 'elsewhere'), join(workspace, 'output'))
    expect(await codeOf(linkInputs(workspace))).toBe('s3-link/foreign-link')
    writeFileSync(join(workspace, 'file'), '')
    const file = { ...linkInputs(workspace), folder: 'file' }
    expect(await codeOf(file)).toBe('s3-link/not-a-directory')
    expect(await readStatuses(findPlaces(env))).toEqual([])
  })
})

requirement('s3fs', missing ?? true)('has what the mounts of these tests need', () => {
  expect(missing).toBeUndefined()
})

function linkInputs(workspace: string) {
  return {
    workspace,
    store: `s3://${server.bucket}/pods?endpoint=${server.directEndpoint}`,
    driver: 's3fs',
  }
}

async function linkOnce(workspace: string): Promise<void> {
  const { outcome } = await link(linkInputs(workspace))
  if (outcome.result === 'failed') throw new Error(JSON.stringify(outcome.error))
}

async function codeOf(inputs: object): Promise<string | undefined> {
  return (await link(inputs)).outcome.error?.code
}

function link(inputs: object) {
  const step = s3Link.steps['link'] as StepDefinition
  return runStep(step, { ...inputs }, { env, secrets: server.env })
}

function missingTools(): string | undefined {
  if (missingS3Server() !== undefined) return missingS3Server()
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  try {
    execFileSync('s3fs', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'it is not installed'
  }
}
