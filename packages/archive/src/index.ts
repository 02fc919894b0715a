export { checkVenvs, type VenvCheck } from './venv.ts'
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
} from './on-demand.ts'
export { forgetRecord, readRecord, type TreeRecord } from './record.ts'
export { latestGeneration, listArchives } from './snapshots.ts'
export type { ArchiveInfo, SnapshotInfo } from './list-snapshots.ts'
export type { ImportOptions, ImportResult } from './import.ts'
export type { RepairOptions, RepairResult } from './repair.ts'
export type { ExtractOptions, ExtractResult } from './extract.ts'
export type { RestoreOptions, RestoreResult } from './restore.ts'
export type { SaveOptions, SaveResult } from './save.ts'
export type { VerifyOptions, VerifyResult } from './verify.ts'
export type { PruneOptions, PruneResult } from './prune.ts'
export { refuseStoreInside } from './store-place.ts'
