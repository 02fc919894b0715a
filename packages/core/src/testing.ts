export { testPlugin, type StepCase, type StepWorld } from './testing/conformance.ts'
export { hasVenv, mayMount } from './testing/machine.ts'
export { readTree, type TreeOptions } from './testing/read-tree.ts'
export { requirement, type RequirementTest } from './testing/requirement.ts'
export {
  planStep,
  runStep,
  type StepOverrides,
  type StepRun,
  type TestInputs,
} from './testing/run-one-step.ts'
export { temporaryDirectory } from './testing/temporary-directory.ts'
