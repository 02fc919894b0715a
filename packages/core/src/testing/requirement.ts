import { test, type TestFunction } from 'vitest'

export type RequirementTest = (title: string, run: TestFunction, timeoutMs?: number) => void

/**
 * `test` for tests that need something of the machine. `available` is true, or the reason why it is missing: then the tests are skipped
 * with that reason, and fail with it where `BERTH_TEST_REQUIRE` (names with commas between them) holds the name.
 */
export function requirement(name: string, available: boolean | string): RequirementTest {
  const register: RequirementTest = test
  const verdict = judgeRequirement(name, available, process.env.BERTH_TEST_REQUIRE)
  if (verdict.act === 'run') return register
  return (title) =>
    register(title, ({ skip }) => {
      if (verdict.act === 'fail') throw new Error(verdict.reason)
      skip(verdict.reason)
    })
}

export type RequirementVerdict = { act: 'run' } | { act: 'skip' | 'fail'; reason: string }

export function judgeRequirement(
  name: string,
  available: boolean | string,
  required: string | undefined,
): RequirementVerdict {
  if (available === true) return { act: 'run' }
  const reason = available === false ? `${name} is not available` : `${name}: ${available}`
  const isRequired = (required ?? '').split(',').some((item) => item.trim() === name)
  return isRequired
    ? { act: 'fail', reason: `${reason}, and BERTH_TEST_REQUIRE names it` }
    : { act: 'skip', reason }
}
