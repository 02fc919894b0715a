import { test, type TestFunction } from 'vitest'

export type RequirementTest = (title: string, run: TestFunction, timeoutMs?: number) => void

/**
 * `test` for tests that need something of the machine. `available` is true, or the reason why it is missing: then the tests are skipped
 * with that reason, and fail with it where `BERTH_TEST_REQUIRE` (names with commas between them) holds the name.
 */
export function requirement(name: string, available: boolean | string): RequirementTest {
  const register: RequirementTest = test
  if (available === true) return register
  const reason = available === false ? `${name} is not available` : `${name}: ${available}`
  const isRequired = (process.env.BERTH_TEST_REQUIRE ?? '').split(',').includes(name)
  return (title) =>
    register(title, ({ skip }) => {
      if (isRequired) throw new Error(`${reason}, and BERTH_TEST_REQUIRE names it`)
      skip(reason)
    })
}
