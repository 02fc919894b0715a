import type { Outcome, PlannedAction, Plugin, StepContext } from '@berth/core'

export interface TestRun {
  /** `info` and `warn` lines, as `warn: text`. */
  logs: string[]
  outcome: Outcome
}

interface TestOptions {
  env?: Record<string, string>
  deadline?: number
  signal?: AbortSignal
  workingDirectory?: string
}

/** Runs one step of a plugin as the runner would, with everything it says. A failure rejects, its logs with it as `logs`. */
export async function runStep(
  plugin: Plugin,
  name: string,
  ...[inputs, options = {}]: [inputs: Record<string, unknown>, options?: TestOptions]
): Promise<TestRun> {
  const logs: string[] = []
  const step = stepOf(plugin, name)
  try {
    const outcome = await step.run(contextOf(step.inputs.parse(inputs), options, logs))
    return { logs, outcome }
  } catch (error) {
    throw Object.assign(error as Error, { logs })
  }
}

export async function planStep(
  plugin: Plugin,
  name: string,
  ...[inputs, options = {}]: [inputs: Record<string, unknown>, options?: TestOptions]
): Promise<PlannedAction> {
  const step = stepOf(plugin, name)
  return step.plan(contextOf(step.inputs.parse(inputs), options, []))
}

function stepOf(plugin: Plugin, name: string) {
  const step = plugin.steps[name]
  if (step === undefined) throw new TypeError(`${plugin.name} has no step ${name}`)
  return step
}

function contextOf(inputs: unknown, options: TestOptions, logs: string[]): StepContext {
  const line = (level: string, text: string) => logs.push(`${level}: ${text}`)
  const info = (text: string) => void line('info', text)
  return {
    inputs,
    env: options.env ?? {},
    workingDirectory: options.workingDirectory ?? '/',
    $: (() => {
      throw new TypeError('these steps run no commands')
    }) as unknown as StepContext['$'],
    log: Object.assign(info, { info, warn: (text: string) => void line('warn', text), line }),
    progress: () => {},
    signal: options.signal ?? new AbortController().signal,
    deadline: options.deadline,
    pipeline: 'boot',
    attempt: 1,
    willUndo: async () => {},
  }
}
