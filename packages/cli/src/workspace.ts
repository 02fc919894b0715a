import { resolve } from 'node:path'

interface Surroundings {
  env: NodeJS.ProcessEnv
  workingDirectory: string
}

/** The directory that a command about links and the machine is about, absolute: as it was named, else `NETWORK_VOLUME`, else `/workspace`. */
export function workspaceOf(
  named: string | undefined,
  { env, workingDirectory }: Surroundings,
): string {
  return resolve(workingDirectory, named ?? (env['NETWORK_VOLUME'] || '/workspace'))
}
