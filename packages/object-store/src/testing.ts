export { testObjectStore, type OpenedStore } from './testing/conformance.ts'
export {
  startCountingProxy,
  type CountingProxy,
  type RequestWatch,
} from './testing/counting-proxy.ts'
export type { Fault, FaultKind } from './testing/fault.ts'
export {
  missingS3Server,
  startS3Server,
  type S3Server,
  type S3ServerOptions,
} from './testing/real-s3.ts'
export type { RecordedRequest } from './testing/recorded-request.ts'
export { startStubS3, type StubS3, type StubS3Options } from './testing/stub-s3.ts'
