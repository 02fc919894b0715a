import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

type Message = { id?: number; method?: string; params?: unknown; result?: unknown; error?: unknown }

/** A YAML language server as an editor runs it: a child process that is spoken to over its standard streams. */
export class LanguageServer {
  #child: ChildProcess
  #buffer = Buffer.alloc(0)
  #nextId = 1
  #answers = new Map<number, (message: Message) => void>()
  #settings: unknown
  #diagnostics = new Map<string, (found: unknown[]) => void>()

  /** `settings` are those of `yaml` in an editor. */
  constructor(settings: unknown) {
    const program = fileURLToPath(
      new URL('bin/yaml-language-server', import.meta.resolve('yaml-language-server/package.json')),
    )
    this.#settings = settings
    this.#child = spawn(process.execPath, [program, '--stdio'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk))
  }

  async open(): Promise<void> {
    await this.#request('initialize', {
      processId: process.pid,
      rootUri: null,
      capabilities: {
        textDocument: {
          completion: { completionItem: { snippetSupport: false } },
          hover: { contentFormat: ['markdown'] },
          publishDiagnostics: {},
        },
        workspace: { configuration: true },
      },
    })
    this.#send({ method: 'initialized', params: {} })
    this.#send({
      method: 'workspace/didChangeConfiguration',
      params: { settings: { yaml: this.#settings } },
    })
  }

  /** Opens a text as the editor does, and resolves with the first diagnostics of it. */
  async diagnose(uri: string, text: string): Promise<unknown[]> {
    const found = new Promise<unknown[]>((resolve) => this.#diagnostics.set(uri, resolve))
    const textDocument = { uri, languageId: 'yaml', version: 1, text }
    this.#send({ method: 'textDocument/didOpen', params: { textDocument } })
    return found
  }

  /** The labels that are offered at a place; lines and characters count from 0. */
  async complete(uri: string, line: number, character: number): Promise<string[]> {
    const position = { line, character }
    const result = (await this.#request('textDocument/completion', {
      textDocument: { uri },
      position,
    })) as { items: { label: string }[] } | null
    return result?.items.map(({ label }) => label) ?? []
  }

  async hover(uri: string, line: number, character: number): Promise<string> {
    const position = { line, character }
    const result = await this.#request('textDocument/hover', { textDocument: { uri }, position })
    return JSON.stringify(result)
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill()
    await ended
  }

  #request(method: string, params: unknown): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) =>
        error === undefined ? resolve(result) : reject(new Error(JSON.stringify(error))),
      )
      this.#send({ id, method, params })
    })
  }

  #send(message: Message): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.#child.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = this.#buffer.subarray(0, end).toString()
      const length = Number(/Content-Length: (\d+)/i.exec(head)?.[1])
      if (this.#buffer.length < end + 4 + length) return
      const body = this.#buffer.subarray(end + 4, end + 4 + length).toString()
      this.#buffer = this.#buffer.subarray(end + 4 + length)
      this.#receive(JSON.parse(body) as Message)
    }
  }

  #receive(message: Message): void {
    const { id, method, params } = message
    if (method === undefined) {
      if (id !== undefined) this.#answers.get(id)?.(message)
      return
    }
    if (method === 'textDocument/publishDiagnostics') {
      const { uri, diagnostics } = params as { uri: string; diagnostics: unknown[] }
      this.#diagnostics.get(uri)?.(diagnostics)
    }
    if (id === undefined) return
    // It asks for its settings part by part.
    const items =
      method === 'workspace/configuration' ? (params as { items: { section: string }[] }).items : []
    const result = items.map(({ section }) => (section === 'yaml' ? this.#settings : null))
    const answer = { id, result: method === 'workspace/configuration' ? result : null }
    this.#send(answer)
  }
}
