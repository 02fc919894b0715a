import type { BerthError } from '../error.ts'
import type { StepDraft } from './step-draft.ts'

/** Finds what the `uses` of a step names, and remembers it in the draft; what can't be used is a problem. */
export type FindStep = (draft: StepDraft) => Promise<BerthError[]>
