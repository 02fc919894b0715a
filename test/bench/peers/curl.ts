import type { Bench } from './peer.ts'

/** `curl` of an object to standard output. */
export function curl(bench: Bench, key: string): string[] {
  return [...signedCurl(bench), objectUrl(bench, key)]
}

/** Credentials as arguments would be read by everyone; these open a server that lives as long as the bench. */
export function signedCurl({ server }: Bench): string[] {
  const user = `${server.env['AWS_ACCESS_KEY_ID']}:${server.env['AWS_SECRET_ACCESS_KEY']}`
  const signed = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', user]
  // Older curls leave out this header, which S3 wants.
  return [
    'curl',
    '-sSf',
    '--noproxy',
    '*',
    ...signed,
    '-H',
    'x-amz-content-sha256: UNSIGNED-PAYLOAD',
  ]
}

export function objectUrl({ server }: Bench, key: string): string {
  return `${server.endpoint}/${server.bucket}/${key}`
}
