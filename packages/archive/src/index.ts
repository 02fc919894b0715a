export { checkVenvs, type VenvCheck } from './venv/venv.ts'
export {
  copyRecord,
  describeArchives,
  extractPaths,
  findOwnTrees,
  importArchive,
  listSnapshots,
  pruneStore,
  repairArchive,
  restoreTree,
  saveTree,
  verifyArchive,
} from './workers/on-demand.ts'
export { damageHint, manifestHint } from './format/damage-hint.ts'
export { compactionFacts } from './compact/compaction-facts.ts'
export { forgetRecord, readRecord, type TreeRecord } from './record/record.ts'
export { latestGeneration, listArchives } from './snapshots/snapshots.ts'
export type { ArchiveInfo, SnapshotInfo } from './snapshots/list-snapshots.ts'
export type { ImportOptions, ImportResult } from './import/import.ts'
export type { DamagedSnapshot, RepairOptions, RepairResult } from './verify/repair.ts'
export type { ExtractOptions, ExtractResult } from './restore/extract.ts'
export type { RestoreOptions, RestoreResult } from './restore/restore.ts'
export type { SaveOptions, SaveResult } from './save/save.ts'
export type { VerifyOptions, VerifyResult } from './verify/verify.ts'
export { parseAge, parseGrace } from './prune/age.ts'
export type { PruneOptions, PruneResult } from './prune/prune.ts'
export { refuseStoreInside } from './snapshots/store-place.ts'
