export { checkStore } from './check-store.ts'
export type {
  FilePart,
  FileStore,
  StoredFile,
  WrittenFile,
  UnfinishedUpload,
  WriteCondition,
} from './file-store.ts'
export { parseStoreUrl, type S3Location, type StoreLocation } from './location.ts'
export { openFileStore } from './open-file-store.ts'
export { openStore, type OpenStoreOptions } from './open-store.ts'
export type { Patience } from './patience.ts'
export {
  defaultStoreUrl,
  readS3Settings,
  storeSecrets,
  type Environment,
  type S3Settings,
} from './settings.ts'
export { doubtStore, type StoreDoubt } from './store-doubt.ts'
export type { ByteRange, ObjectInfo, ObjectStore, PutResult, RequestOptions } from './store.ts'
