import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { BerthError } from '@berth/core/error'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { askBoot } from './control-client.ts'
import { type ControlHandlers, openControlSocket } from './control-socket.ts'

async function open(directory: string, handlers: ControlHandlers = {}): Promise<void> {
  const socket = await openControlSocket(directory, handlers)
  onTestFinished(() => socket.close())
}

test('answers a verb with what its handler says', async () => {
  const directory = await temporaryDirectory()
  await open(directory, {
    status: () => ({ phase: 'main' }),
    echo: async ({ word }) => ({ word }),
    nothing: () => undefined,
  })
  expect(await askBoot(directory, { verb: 'status' })).toEqual({ phase: 'main' })
  expect(await askBoot(directory, { verb: 'echo', word: 'a\nb' })).toEqual({ word: 'a\nb' })
  expect(await askBoot(directory, { verb: 'nothing' })).toBe(null)
})

test('gives the owner of the directory alone the socket, and leaves the mask of new files as it was', async () => {
  const directory = await temporaryDirectory()
  const before = process.umask()
  await open(directory)
  expect(statSync(join(directory, 'control.sock')).mode & 0o777).toBe(0o600)
  expect(process.umask()).toBe(before)
})

test('rejects with what a handler throws, and goes on', async () => {
  const directory = await temporaryDirectory()
  await open(directory, {
    refuse: () => {
      throw new BerthError('cli/usage', 'it was refused', { hint: 'ask otherwise' })
    },
    status: () => 1,
  })
  await expect(askBoot(directory, { verb: 'refuse' })).rejects.toMatchObject({
    code: 'cli/usage',
    message: 'it was refused',
    hint: 'ask otherwise',
  })
  await expect(askBoot(directory, { verb: 'toString' })).rejects.toMatchObject({
    code: 'cli/bad-request',
    message: 'the running boot knows no verb `toString`',
  })
  expect(await askBoot(directory, { verb: 'status' })).toBe(1)
})

test('resolves with undefined where no boot listens', async () => {
  const directory = await temporaryDirectory()
  expect(await askBoot(directory, { verb: 'status' })).toBeUndefined()
  expect(await askBoot(join(directory, 'missing'), { verb: 'status' })).toBeUndefined()
  const socket = await openControlSocket(directory, {})
  await socket.close()
  expect(await askBoot(directory, { verb: 'status' })).toBeUndefined()
})

test('takes the place of what a dead boot left', async () => {
  const directory = await temporaryDirectory()
  writeFileSync(join(directory, 'control.sock'), '')
  await open(directory, { status: () => 'new' })
  expect(await askBoot(directory, { verb: 'status' })).toBe('new')
})

test('says so when the boot goes away before it has answered', async () => {
  const directory = await temporaryDirectory()
  const asked = Promise.withResolvers<void>()
  const socket = await openControlSocket(directory, {
    forever: () => {
      asked.resolve()
      return new Promise(() => {})
    },
  })
  const answer = askBoot(directory, { verb: 'forever' })
  await asked.promise
  await Promise.all([
    expect(answer).rejects.toMatchObject({ code: 'cli/no-answer' }),
    socket.close(),
  ])
})

test('sends what it has answered before it closes', async () => {
  const directory = await temporaryDirectory()
  const done = Promise.withResolvers<string>()
  const asked = Promise.withResolvers<void>()
  const socket = await openControlSocket(directory, {
    wait: () => {
      asked.resolve()
      return done.promise
    },
  })
  const answer = askBoot(directory, { verb: 'wait' })
  await asked.promise
  done.resolve('x'.repeat(2 ** 20))
  await done.promise
  await new Promise(setImmediate)
  await socket.close()
  expect(await answer).toHaveLength(2 ** 20)
})

test('works where the directory’s name is longer than a socket’s may be', async ({ skip }) => {
  if (process.platform !== 'linux') skip('procfs: it needs /proc')
  const directory = join(
    await temporaryDirectory(),
    ...Array.from({ length: 12 }, () => 'long-name'),
  )
  mkdirSync(directory, { recursive: true })
  await open(directory, { status: () => 'far' })
  expect(await askBoot(directory, { verb: 'status' })).toBe('far')
})

test('answers every line of a client that has said all it has to say', async () => {
  const directory = await temporaryDirectory()
  await open(directory, { echo: async ({ word }) => word })
  const socket = connect(join(directory, 'control.sock'))
  socket.end('{"verb":"echo","word":1}\nnonsense\n{"verb":"echo","word":2}\n')
  const lines = (await text(socket)).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { answer: 1 },
    { error: { code: 'cli/bad-request' } },
    { answer: 2 },
  ])
})
