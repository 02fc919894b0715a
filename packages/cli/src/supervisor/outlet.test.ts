import type { BerthEvent } from '@berth/core'
import { expect, test } from 'vitest'
import { Outlet } from './outlet.ts'
import type { Report } from './protocol.ts'

function line(text: string): Report {
  return {
    type: 'event',
    event: { type: 'step:log', step: 'loud', level: 'output', text, time: 0 },
  }
}

function texts(reports: Report[]): string[] {
  return reports
    .map((report) =>
      report.type === 'event'
        ? (report.event as Extract<BerthEvent, { type: 'step:log' }>).text
        : report.type,
    )
    .map((text) => text.slice(0, 30))
}

test('leaves out lines that nobody takes, says how many, and keeps the last twenty and all else', async () => {
  const sent: Report[] = []
  const taken = Promise.withResolvers<void>()
  const outlet = new Outlet((reports) => {
    sent.push(...reports)
    return taken.promise
  })
  outlet.report(line('first'))
  outlet.report(line('x'.repeat(2_000_000)))
  for (let index = 1; index <= 100; index += 1) outlet.report(line(`line ${index}`))
  expect(sent).toHaveLength(1)
  outlet.report({ type: 'ended', result: 'ready' })
  taken.resolve()
  await outlet.drained()
  expect(texts(sent.slice(1))).toEqual(
    [
      'x'.repeat(30),
      '80 lines of output were left ou',
      ...Array.from({ length: 20 }, (_, index) => `line ${index + 81}`),
      'ended',
    ].map((text) => text.slice(0, 30)),
  )
  outlet.report(line('after'))
  expect(texts(sent.slice(-1))).toEqual(['after'])
})
