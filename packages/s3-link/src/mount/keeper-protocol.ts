import { createConnection, createServer, type Server } from 'node:net'
import type { DriverName } from '../driver/driver.ts'
import type { WatchOptions } from '../driver/watch-options.ts'
import type { Places } from './places.ts'
import type { LinkRecord } from './registry.ts'

/** What a keeper is asked through its socket, one question a connection. */
export type KeeperQuestion =
  | { verb: 'look' }
  | { verb: 'adjust'; options: Partial<WatchOptions> }
  | { verb: 'leave'; path: string; deadline: number }
  | { verb: 'stop'; deadline: number }

/** What a keeper is started with, through its standard input: keys stand in no argument and no environment. */
export interface KeeperOrders<Spec> {
  spec: Spec
  driver: DriverName
  places: Places
  /** The folder to watch, for that driver. */
  watched?: LinkRecord | undefined
  /** In the place of one that was killed. */
  isRevived?: boolean
}

/** Answers questions on a socket; whoever may open the socket may ask. */
export async function answerOn(
  socket: string,
  answer: (question: KeeperQuestion) => Promise<unknown>,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    let text = ''
    connection.on('data', (chunk: Buffer) => (text += chunk.toString()))
    connection.on('error', () => connection.destroy())
    connection.on('end', () => {
      void (async () => {
        const result = await answer(JSON.parse(text) as KeeperQuestion)
        connection.end(JSON.stringify(result ?? null))
      })().catch(() => connection.destroy())
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  return server
}

/** Asks a keeper; undefined where none answers. */
export function ask<Answer>(socket: string, question: KeeperQuestion): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const connection = createConnection({ path: socket, allowHalfOpen: true })
    let text = ''
    connection.on('error', () => resolve(undefined))
    connection.on('data', (chunk: Buffer) => (text += chunk.toString()))
    connection.on('close', () => resolve(text === '' ? undefined : (JSON.parse(text) as Answer)))
    connection.end(JSON.stringify(question))
  })
}
