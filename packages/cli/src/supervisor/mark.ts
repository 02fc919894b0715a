/**
 * A value for an environment variable by which the processes of one boot, pipeline or main are found again. Unique, and no secret. Not
 * from `node:crypto`, which would take longer to load than all else that comes before the first pipeline.
 */
export function createMark(): string {
  const random = (): string => Math.random().toString(36).slice(2)
  return `${process.pid}-${Date.now().toString(36)}-${random()}${random()}`
}
