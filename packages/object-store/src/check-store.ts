import { parseStoreUrl } from './location.ts'
import { readS3Settings, type Environment } from './settings.ts'

/**
 * Throws for what `openStore` would refuse: a URL that can't be read, half a key pair, an endpoint that is none. Contacts nothing; an
 * empty URL is none.
 */
export function checkStore(url: string, env: Environment): void {
  if (url === '') return
  const location = parseStoreUrl(url)
  if (location.kind === 's3') readS3Settings(location, env)
}
