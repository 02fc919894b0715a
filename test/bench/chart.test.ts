import { expect, test } from 'vitest'
import { barChart } from './chart.ts'

test('bars are on one scale, and what would dwarf them is cut', () => {
  const bars = [
    { name: 'floor', value: 1 },
    { name: 'berth', value: 1.25 },
    { name: 'pipes', value: 2.5 },
    { name: 'aws', value: 100 },
  ]
  const lines = barChart(bars).split('\n')
  expect(lines.map((line) => line.replaceAll('█', ''))).toEqual([
    'floor   1.00 s',
    'berth   1.25 s',
    'pipes   2.50 s',
    'aws    ┄► 100.00 s',
  ])
  expect(lines.map((line) => line.split('█').length - 1)).toEqual([6, 8, 15, 60])
})
