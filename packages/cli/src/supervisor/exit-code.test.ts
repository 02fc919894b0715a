import { expect, test } from 'vitest'
import { podExitCode, type PodLife } from './exit-code.ts'

const well: PodLife = {
  boot: 'ready',
  onBootFailure: 'exit',
  hasCommand: true,
  main: { code: 0, signal: null },
  shutdown: 'ready',
  stopSignal: undefined,
  strict: false,
}

test.each<[string, Partial<PodLife>, number]>([
  ['all is well', {}, 0],
  ['main failed', { main: { code: 7, signal: null } }, 7],
  ['main failed and a save too', { main: { code: 7, signal: null }, shutdown: 'failed' }, 7],
  ['main was ended by SIGTERM', { main: { code: null, signal: 'SIGTERM' } }, 143],
  ['main had to be killed', { main: { code: null, signal: 'SIGKILL' } }, 137],
  ['main ended well but a critical save failed', { shutdown: 'failed' }, 1],
  ['main ended well but the saves were cut', { shutdown: 'cancelled' }, 1],
  ['an optional save failed', { shutdown: 'degraded' }, 0],
  ['an optional save failed under --strict', { shutdown: 'degraded', strict: true }, 3],
  ['the boot was degraded', { boot: 'degraded' }, 0],
  ['the boot was degraded under --strict', { boot: 'degraded', strict: true }, 3],
  [
    'main failed after a degraded boot under --strict',
    { boot: 'degraded', strict: true, main: { code: 9, signal: null } },
    9,
  ],
  ['the boot failed', { boot: 'failed', main: undefined }, 1],
  [
    'the boot failed and held until SIGTERM',
    { boot: 'failed', onBootFailure: 'hold', main: undefined, stopSignal: 'SIGTERM' },
    1,
  ],
  ['the boot failed but main went on', { boot: 'failed', onBootFailure: 'continue' }, 0],
  [
    'the boot failed but main went on, under --strict',
    { boot: 'failed', onBootFailure: 'continue', strict: true },
    3,
  ],
  ['SIGTERM came between the boot and main', { main: undefined, stopSignal: 'SIGTERM' }, 143],
  [
    'SIGTERM cancelled the boot',
    { boot: 'cancelled', main: undefined, stopSignal: 'SIGTERM' },
    143,
  ],
  ['SIGINT cancelled the boot', { boot: 'cancelled', main: undefined, stopSignal: 'SIGINT' }, 130],
  [
    'there was no command and a signal came',
    { hasCommand: false, main: undefined, stopSignal: 'SIGTERM' },
    0,
  ],
  [
    'there was no main and the save failed',
    { hasCommand: false, main: undefined, stopSignal: 'SIGTERM', shutdown: 'failed' },
    1,
  ],
])('exits rightly when %s', (_title, life, code) => {
  expect(podExitCode({ ...well, ...life })).toBe(code)
})
