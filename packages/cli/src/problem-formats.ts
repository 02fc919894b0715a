import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { ErrorFacts } from '@berth/core/error'

/** What is wrong with one recipe; nothing when it is valid. */
export interface CheckedFile {
  file: string
  problems: readonly ErrorFacts[]
}

/**
 * One error annotation for each problem, as GitHub's runner reads them from a job's output. The escapes are the runner's own:
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export function githubAnnotations(files: readonly CheckedFile[]): string {
  return files
    .flatMap(({ file, problems }) =>
      problems.map((problem) => {
        const { at, code } = problem
        const place = [
          `file=${property(at?.file ?? file)}`,
          `line=${at?.line ?? 1}`,
          `col=${at?.column ?? 1}`,
          `title=${property(code)}`,
        ]
        return `::error ${place.join(',')}::${escaped(textOf(problem))}\n`
      }),
    )
    .join('')
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/**
 * A code quality report, as GitLab reads it from a job's artifact. The fingerprint of a problem stays while its line moves, so that a
 * merge request shows what is new: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
 */
export function gitlabReport(files: readonly CheckedFile[]): string {
  const seen = new Map<string, number>()
  const report = files.flatMap(({ file, problems }) =>
    problems.map((problem) => {
      const { at, code, message } = problem
      const path = posix.normalize(at?.file ?? file)
      const identity = [code, path, message].join('\0')
      const count = (seen.get(identity) ?? 0) + 1
      seen.set(identity, count)
      return {
        description: textOf(problem),
        check_name: code,
        fingerprint: createHash('sha256').update(`${identity}\0${count}`).digest('hex'),
        severity: 'blocker',
        location: { path, lines: { begin: at?.line ?? 1 } },
      }
    }),
  )
  return `${JSON.stringify(report, undefined, 2)}\n`
}

function textOf({ message, hint }: ErrorFacts): string {
  return hint === undefined ? message : `${message}\nTo fix: ${hint}`
}
