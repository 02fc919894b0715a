import type { BerthEvent, NewEvent } from '@berth/core'
import type { LifeTeller } from '../report/tell-life.ts'

/** Where it is to be answered: `host:port`. */
export interface HealthFacts {
  /** The endpoints. */
  listen: string | undefined
  /** Main's own address, until main starts. */
  progress: string | undefined
}

/** A server that can be closed for good. */
export interface HealthServer {
  close: () => void
}

/** What both servers answer from. */
export interface HealthSource {
  teller: LifeTeller
  /** Milliseconds since the epoch: when everything must have ended; undefined while nobody wants it to. */
  deadline: () => number | undefined
}

/** Until the recipe is known, so many events are kept. */
const mostEarly = 100

/**
 * Answers over HTTP how the container is. What it needs is loaded when a recipe, or `--health`, asks for it; an address that can't be had is
 * a warning, because a pod that nobody can ask is better than none.
 */
export class Health {
  #file: string
  #listen: string | undefined
  #emit: (event: NewEvent) => void
  #early: BerthEvent[] | undefined = []
  #teller: LifeTeller | undefined
  #endpoints: HealthServer | undefined
  #page: HealthServer | undefined
  #opening: Promise<void> = Promise.resolve()

  /** `listen` is `--health`, and goes before the recipe's. */
  constructor(
    { file, listen }: { file: string; listen: string | undefined },
    emit: (event: NewEvent) => void,
  ) {
    this.#file = file
    this.#listen = listen
    this.#emit = emit
  }

  /** Takes an event, masked already. */
  hear(event: BerthEvent): void {
    this.#teller?.hear(event)
    if (this.#early !== undefined && this.#early.length < mostEarly) this.#early.push(event)
  }

  /** Begins to answer, with what the recipe says. Never rejects; nothing need wait for it. */
  open(facts: HealthFacts | undefined, deadline: () => number | undefined): Promise<void> {
    const own = { listen: this.#listen ?? facts?.listen, progress: facts?.progress }
    const isWanted = own.listen !== undefined || own.progress !== undefined
    if (isWanted) this.#opening = this.#open(own, deadline)
    else this.#early = undefined
    return this.#opening
  }

  /** Gives main its address. When it resolves, the kernel knows nothing of ours there any more. */
  async freePort(): Promise<void> {
    await this.#opening
    this.#page?.close()
    this.#page = undefined
  }

  close(): void {
    this.#page?.close()
    this.#endpoints?.close()
  }

  async #open(
    { listen, progress }: HealthFacts,
    deadline: () => number | undefined,
  ): Promise<void> {
    const { LifeTeller: Teller, newLife } = await import('../report/tell-life.ts')
    const teller = new Teller({ ...newLife(this.#file, Date.now()), pid: process.pid })
    for (const event of this.#early?.splice(0) ?? []) teller.hear(event)
    this.#teller = teller
    this.#early = undefined
    const source = { teller, deadline }
    if (listen !== undefined) {
      this.#endpoints = await this.#try('the health endpoints', listen, async () => {
        const { openEndpoints } = await import('./endpoints.ts')
        return openEndpoints(listen, source)
      })
    }
    if (progress !== undefined) {
      this.#page = await this.#try('the progress page', progress, async () => {
        const { openPageServer } = await import('./page-server.ts')
        return openPageServer(progress, source)
      })
    }
  }

  async #try(
    what: string,
    address: string,
    open: () => Promise<HealthServer>,
  ): Promise<HealthServer | undefined> {
    try {
      return await open()
    } catch (error) {
      const text = `${what} can't be served at ${address}: ${whyNot(error as NodeJS.ErrnoException)}`
      this.#emit({ type: 'note', level: 'warn', text })
      return undefined
    }
  }
}

function whyNot({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'another process has the port; end that, or choose another port'
  if (code === 'EACCES') return 'only root may have that port; choose one from 1024 on'
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address'
  return message
}
