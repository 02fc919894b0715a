import { expect, test } from 'vitest'
import { workspaceOf } from './workspace.ts'

test('a workspace is the one that is named, else the pod volume, else /workspace', () => {
  const workingDirectory = '/srv/here'
  const env = { NETWORK_VOLUME: '/runpod' }
  expect(workspaceOf('/named', { env, workingDirectory })).toBe('/named')
  expect(workspaceOf('named', { env, workingDirectory })).toBe('/srv/here/named')
  expect(workspaceOf(undefined, { env, workingDirectory })).toBe('/runpod')
  for (const none of [{}, { NETWORK_VOLUME: '' }])
    expect(workspaceOf(undefined, { env: none, workingDirectory })).toBe('/workspace')
})
