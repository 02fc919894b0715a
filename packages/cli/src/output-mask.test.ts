import { BerthError } from '@berth/core/error'
import { expect, onTestFinished, test } from 'vitest'
import { hideVariables, outputMask, shownError } from './output-mask.ts'

test('hides credentials of the environment, and those of a recipe from when they are known', () => {
  process.env['BERTH_TEST_TOKEN'] = 'abc-token'
  process.env['BERTH_TEST_WORD'] = 'abc-word'
  onTestFinished(() => {
    delete process.env['BERTH_TEST_TOKEN']
    delete process.env['BERTH_TEST_WORD']
    hideVariables([])
  })
  hideVariables([])
  expect(outputMask().text('abc-token abc-word')).toBe('[secret] abc-word')
  hideVariables(['BERTH_TEST_WORD', 'BERTH_TEST_UNSET'])
  expect(
    shownError(
      new BerthError('cli/usage', 'could not read `abc-token`', {
        problems: [new BerthError('cli/usage', 'the value is `abc-word`')],
        cause: new Error('because of abc-word'),
      }),
    ),
  ).toEqual({
    code: 'cli/usage',
    message: 'could not read `[secret]`',
    problems: [{ code: 'cli/usage', message: 'the value is `[secret]`' }],
    causes: ['because of [secret]'],
  })
})
