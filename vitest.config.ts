import { defineConfig } from 'vitest/config'
import { ResultsReporter } from './test/reporter.ts'

// nx sets it for whatever it runs, and what a process prints in a test must not depend on who runs the test.
delete process.env['FORCE_COLOR']

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', '*.test.ts', '{bench,containers,demo,e2e,servers}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real processes and real files: worker processes, so that a killed or chdir-ing test can't touch another.
    pool: 'forks',
    globalSetup: [new URL('./test/temporary.ts', import.meta.url).pathname],
    reporters: ['default', new ResultsReporter()],
  },
})
