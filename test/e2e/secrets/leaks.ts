/** So many characters of a secret, in any of its forms, are a leak: a text that was cut shows less than the whole. */
const WINDOW = 10

/** Finds pieces of secrets in bytes of any kind. */
export class LeakFinder {
  /** What a piece is part of: `HF_TOKEN in base64`. */
  readonly #pieces = new Map<string, string>()

  constructor(secrets: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(secrets)) {
      for (const [form, text] of forms(value)) this.#add(`${name} ${form}`, text)
    }
  }

  /** Each kind of leak once, with some of what stands around it. */
  find(content: Uint8Array | string): string[] {
    const text = bytesOf(content).toString('latin1')
    const found = new Map<string, string>()
    for (let at = 0; at + WINDOW <= text.length; at += 1) {
      const what = this.#pieces.get(text.slice(at, at + WINDOW))
      if (what === undefined || found.has(what)) continue
      found.set(what, text.slice(Math.max(0, at - 60), at + 60))
    }
    return [...found].map(([what, place]) => `${what}: …${place}…`)
  }

  #add(what: string, text: string): void {
    for (let at = 0; at + WINDOW <= text.length; at += 1) {
      const piece = text.slice(at, at + WINDOW)
      if (!this.#pieces.has(piece)) this.#pieces.set(piece, what)
    }
  }
}

/** What a secret becomes in shells, URLs, JSON and logs; of a key with a frame only what lies within. */
function forms(value: string): [form: string, text: string][] {
  const lines = value.split('\n').filter((line) => !line.startsWith('-----'))
  return lines.flatMap((line): [string, string][] => {
    const bytes = bytesOf(line)
    const percent = encodeURIComponent(line)
    const json = JSON.stringify(line).slice(1, -1)
    return [
      ['as it is', bytes.toString('latin1')],
      ['in URI encoding', percent],
      [
        'in URI encoding of small letters',
        percent.replaceAll(/%../g, (code) => code.toLowerCase()),
      ],
      ['in JSON', bytesOf(json).toString('latin1')],
      ['in JSON within JSON', bytesOf(JSON.stringify(json).slice(1, -1)).toString('latin1')],
      ['in hex', bytes.toString('hex')],
      ['in capital hex', bytes.toString('hex').toUpperCase()],
      ...[0, 1, 2].map((offset): [string, string] => [`in base64`, base64At(offset, value)]),
      ...[0, 1, 2].map((offset): [string, string] => [
        `in base64url`,
        base64At(offset, value).replaceAll('+', '-').replaceAll('/', '_'),
      ]),
    ]
  })
}

/** What is sure of the base64 of a text in which the value stands behind so many bytes. */
function base64At(offset: number, value: string): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytesOf(value)]).toString('base64')
  return text.slice(offset === 0 ? 0 : offset + 1, -4)
}

function bytesOf(content: Uint8Array | string): Buffer {
  return typeof content === 'string' ? Buffer.from(content) : Buffer.from(content)
}
