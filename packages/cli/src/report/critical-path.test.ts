import { expect, test } from 'vitest'
import { criticalPath } from './critical-path.ts'
import type { PipelineLife } from './life.ts'
import { mustLife, pipelineEvents, recordStart } from './testing.ts'

type Steps = Parameters<typeof pipelineEvents>[1]['steps']

function boot(steps: Steps, until: number): PipelineLife {
  const events = pipelineEvents('boot', { at: [0, until], steps })
  const pipeline = mustLife([recordStart, ...events]).boot
  if (pipeline === undefined) throw new Error('there is no boot')
  return pipeline
}

test('follows what each step waited for longest, back from the one that ended last', () => {
  const steps: Steps = [
    { id: 'volume', at: [0, 100] },
    { id: 'slow', at: [100, 900], needs: ['volume'] },
    { id: 'quick', at: [100, 300], needs: ['volume'] },
    { id: 'apart', at: [0, 950], needs: [] },
    { id: 'last', at: [900, 1000], needs: ['slow', 'quick'] },
  ]
  expect(criticalPath(boot(steps, 1000))).toEqual({
    steps: ['volume', 'slow', 'last'],
    durationMs: 1000,
    share: 1,
  })
})

test('leaves out what took no time, and has a share of less where nothing ran for a while', () => {
  const steps: Steps = [
    { id: 'a', at: [500, 1000] },
    { id: 'skipped', at: [1000, 1000], needs: ['a'], result: 'skipped' },
  ]
  expect(criticalPath(boot(steps, 1000))).toEqual({ steps: ['a'], durationMs: 500, share: 0.5 })
})

test('is nothing where nothing ran, and ends in a circle of a broken record', () => {
  expect(criticalPath(boot([], 1000))).toBeUndefined()
  const steps: Steps = [
    { id: 'a', at: [0, 10], needs: ['b'] },
    { id: 'b', at: [0, 10], needs: ['a'] },
  ]
  expect(criticalPath(boot(steps, 10))?.steps).toHaveLength(2)
})
