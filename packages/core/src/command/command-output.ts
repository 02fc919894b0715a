import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { BerthError } from '../error.ts'

const LARGEST_BYTES = 1024 * 1024
const NAME = /^[A-Za-z_][\w-]*$/

/**
 * Reads what a command wrote to the file `$BERTH_OUTPUT` behind the byte `from`: lines `name=value`, or `name<<END`, the lines of the
 * value, `END`, as in GitHub Actions. The last value of a name counts. Throws `core/bad-output` for any other line and for more than 1 MiB.
 */
export function readCommandOutput(file: string, from = 0): Record<string, string> {
  const descriptor = openSync(file, 'r')
  try {
    const whole = fstatSync(descriptor).size
    // The command may have begun its file anew.
    const start = from <= whole ? from : 0
    const size = whole - start
    if (size > LARGEST_BYTES) {
      throw new BerthError(
        'core/bad-output',
        `could not read the outputs of the command: it wrote ${size} bytes to $BERTH_OUTPUT, and ${LARGEST_BYTES} are allowed`,
        { hint: 'write large data to a file of your own and make its path the output' },
      )
    }
    if (size === 0) return {}
    const bytes = Buffer.alloc(size)
    return parseCommandOutput(
      bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, size, start)),
    )
  } finally {
    closeSync(descriptor)
  }
}

export function parseCommandOutput(text: string): Record<string, string> {
  return parse(text, (number, line, reason) => {
    throw badLine(number, line, reason)
  })
}

/** The outputs in a file whose command was perhaps cut off: of the first 1 MiB what can be read; none when there is no file. */
export async function readWhatIsThere(file: string): Promise<Record<string, string>> {
  try {
    await using handle = await open(file)
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(LARGEST_BYTES),
      0,
      LARGEST_BYTES,
      0,
    )
    return parse(buffer.toString('utf8', 0, bytesRead), () => {})
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

function parse(
  text: string,
  onBadLine: (number: number, line: string, reason?: string) => void,
): Record<string, string> {
  const outputs: Record<string, string> = Object.create(null)
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const [, name = '', mark, rest = ''] = /^([^=<]*)(=|<<)(.*)$/s.exec(line) ?? []
    if (!NAME.test(name) || (mark === '<<' && rest === '')) {
      onBadLine(at + 1, line)
      continue
    }
    if (mark === '=') {
      outputs[name] = rest
      continue
    }
    const end = lines.indexOf(rest, at + 1)
    if (end === -1) {
      onBadLine(at + 1, line, `its end \`${rest}\` is missing`)
      continue
    }
    outputs[name] = lines.slice(at + 1, end).join('\n')
    at = end
  }
  return { ...outputs }
}

function badLine(
  number: number,
  line: string,
  reason = 'it is neither `name=value` nor `name<<END`',
): BerthError {
  // Not its beginning: of a secret that is cut nobody could tell that it is one.
  const what = line.length > 80 ? `has ${line.length} characters` : `is \`${line}\``
  return new BerthError(
    'core/bad-output',
    `could not read the outputs of the command: line ${number} of $BERTH_OUTPUT ${what}, and ${reason}`,
    { hint: 'write `echo "name=value" >> "$BERTH_OUTPUT"`' },
  )
}
