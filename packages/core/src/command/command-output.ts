import { open } from 'node:fs/promises'
import { BerthError } from '../error.ts'

const LARGEST_BYTES = 1024 * 1024
const NAME = /^[A-Za-z_][\w-]*$/

/**
 * Reads what a command wrote to the file `$BERTH_OUTPUT`: lines `name=value`, or `name<<END`, the lines of the value, `END`, as in GitHub
 * Actions. The last value of a name counts. Throws `core/bad-output` for any other line and for more than 1 MiB.
 */
export async function readCommandOutput(file: string): Promise<Record<string, string>> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  if (size > LARGEST_BYTES) {
    throw new BerthError(
      'core/bad-output',
      `could not read the outputs of the command: it wrote ${size} bytes to $BERTH_OUTPUT, and ${LARGEST_BYTES} are allowed`,
      { hint: 'write large data to a file of your own and make its path the output' },
    )
  }
  return parseCommandOutput(await handle.readFile('utf8'))
}

export function parseCommandOutput(text: string): Record<string, string> {
  const outputs: Record<string, string> = Object.create(null)
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const [, name = '', mark, rest = ''] = /^([^=<]*)(=|<<)(.*)$/s.exec(line) ?? []
    if (!NAME.test(name) || (mark === '<<' && rest === '')) throw badLine(at + 1, line)
    if (mark === '=') {
      outputs[name] = rest
      continue
    }
    const end = lines.indexOf(rest, at + 1)
    if (end === -1) throw badLine(at + 1, line, `its end \`${rest}\` is missing`)
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
