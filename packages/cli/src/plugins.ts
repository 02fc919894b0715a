import type { PluginRegistry } from '@berth/core'

/** The plugins that a recipe may name, each loaded when one does. */
export const plugins: PluginRegistry = {
  'network-volume': async () => (await import('@berth/network-volume')).networkVolume,
  restore: async () => (await import('@berth/restore')).restore,
  'venv-archive': async () => (await import('@berth/venv-archive')).venvArchive,
  'shared-data': async () => (await import('@berth/shared-data')).sharedData,
  's3-link': async () => (await import('@berth/s3-link')).s3Link,
}
