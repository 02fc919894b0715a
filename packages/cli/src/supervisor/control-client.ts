import { connect } from 'node:net'
import { BerthError, type ErrorFacts } from '@berth/core/error'
import { type ControlRequest, controlSocketPlace } from './control-socket.ts'

/**
 * Asks the boot of a state directory. Resolves with its answer, and with `undefined` where none listens. Rejects with the boot's own
 * error, and with `cli/no-answer` when it went away before it answered.
 */
export async function askBoot(stateDirectory: string, request: ControlRequest): Promise<unknown> {
  let place: ReturnType<typeof controlSocketPlace>
  try {
    place = controlSocketPlace(stateDirectory)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  try {
    const line = await lineFrom(place.path, `${JSON.stringify(request)}\n`)
    if (line === '') throw noAnswer(request)
    return answerIn(line)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  } finally {
    place.close()
  }
}

/** What came up to the first end of a line; nothing when the other side hung up before. */
function lineFrom(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let [text, isConnected] = ['', false]
    const socket = connect(path, () => {
      isConnected = true
      socket.write(request)
    })
    socket.setEncoding('utf8')
    socket.on('error', (error) => (isConnected ? resolve('') : reject(error)))
    socket.on('close', () => resolve(''))
    socket.on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end === -1) return
      resolve(text.slice(0, end))
      socket.end()
    })
  })
}

function answerIn(line: string): unknown {
  const reply = JSON.parse(line) as { answer: unknown } | { error: ErrorFacts }
  if (!('error' in reply)) return reply.answer
  const { code, message, hint } = reply.error
  throw new BerthError(code, message, hint === undefined ? {} : { hint })
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function noAnswer({ verb }: ControlRequest): BerthError {
  return new BerthError(
    'cli/no-answer',
    `the running boot went away before it answered to \`${verb}\``,
    { hint: 'ask again: where no boot runs, `berth shutdown` does the rest itself' },
  )
}
