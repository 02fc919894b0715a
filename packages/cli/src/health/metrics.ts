import { durationOf } from '../report/critical-path.ts'
import type { Life, LifeState, StepLife } from '../report/life.ts'
import type { Status } from '../report/status.ts'

/** Of the text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const metricsType = 'text/plain; version=0.0.4'

const states: readonly LifeState[] = ['booting', 'ready', 'degraded', 'failed', 'stopping', 'ended']

interface Sample {
  labels?: Record<string, string>
  value: number
}

/** A life as metrics of Prometheus. Names end in their unit; a step's series stay the same for the whole life. */
export function metricsText(life: Life, status: Status): string {
  const { main, rounds } = life
  const families = [
    gauge('berth_info', 'The recipe that was booted.', [
      { labels: { recipe: life.recipe }, value: 1 },
    ]),
    gauge(
      'berth_state',
      'The state of the container: 1 for the one it is in.',
      states.map((state) => ({ labels: { state }, value: state === status.state ? 1 : 0 })),
    ),
    gauge('berth_ready', 'Whether the app can be used.', [{ value: status.ready ? 1 : 0 }]),
    gauge('berth_start_time_seconds', 'When the boot began, in seconds since the epoch.', [
      { value: life.startedAt / 1000 },
    ]),
    gauge('berth_part_duration_seconds', 'How long a part of the life took, or has taken yet.', [
      ...partSample('boot', status.boot?.durationMs),
      ...partSample('deferred', status.deferred?.durationMs),
      ...partSample('shutdown', status.shutdown?.durationMs),
    ]),
    ...stepFamilies(life),
    counter('berth_rounds_total', 'Rounds of saving while main ran.', rounds.count),
    counter('berth_rounds_failed_total', 'Those of the rounds that failed.', rounds.failed),
    gauge(
      'berth_last_round_timestamp_seconds',
      'When the last round ended.',
      rounds.lastAt === undefined ? [] : [{ value: rounds.lastAt / 1000 }],
    ),
    gauge(
      'berth_main_start_time_seconds',
      'When main was started.',
      main === undefined ? [] : [{ value: main.startedAt / 1000 }],
    ),
  ]
  return families.filter((text) => text !== '').join('')
}

function stepFamilies(life: Life): string[] {
  const steps = (['boot', 'deferred', 'shutdown'] as const).flatMap((part) =>
    (life[part]?.steps ?? []).map((step) => ({ step, labels: stepLabels(part, step) })),
  )
  const ended = steps.filter(({ step }) => step.result !== undefined)
  const bars = steps.flatMap(({ step, labels }) =>
    Object.entries(step.progress).map(([label, progress]) => ({
      labels: { ...labels, label, unit: progress.unit },
      ...progress,
    })),
  )
  return [
    gauge(
      'berth_step_duration_seconds',
      'How long a step took, its retries included.',
      ended.map(({ step, labels }) => ({ labels, value: durationOf(step) / 1000 })),
    ),
    gauge(
      'berth_step_result',
      'How a step ended: always 1, the result is a label.',
      ended.map(({ step, labels }) => ({
        labels: { ...labels, result: step.result ?? '' },
        value: 1,
      })),
    ),
    gauge(
      'berth_step_attempts',
      'How often a step was tried.',
      steps.map(({ step, labels }) => ({ labels, value: step.attempts })),
    ),
    gauge(
      'berth_step_progress',
      'How much a step has done, in its unit.',
      bars.map(({ labels, done }) => ({ labels, value: done })),
    ),
    gauge(
      'berth_step_progress_goal',
      'How much a step has to do in all.',
      bars.flatMap(({ labels, total }) => (total === undefined ? [] : [{ labels, value: total }])),
    ),
  ]
}

function stepLabels(part: string, { id, of }: StepLife): Record<string, string> {
  return { part, step: of === undefined ? id : `${of}/${id}` }
}

function partSample(part: string, durationMs: number | undefined): Sample[] {
  return durationMs === undefined ? [] : [{ labels: { part }, value: durationMs / 1000 }]
}

function counter(name: string, help: string, value: number): string {
  return family(name, 'counter', help, [{ value }])
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, 'gauge', help, samples)
}

/** A family without samples is left out. */
function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return ''
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
