/** A request as the server's log has it. */
export interface LoggedRequest {
  method: 'GET' | 'PUT' | 'POST' | 'HEAD' | 'DELETE' | 'other'
  key: string
  status: number
}

/** Reads lines in the format of Amazon's server access logs, which has no method: the operation's name tells it. */
export function parseAccessLog(text: string): LoggedRequest[] {
  return text.split('\n').flatMap((line) => {
    // Owner, bucket, [time zone], address, requester, request's id, operation, key, URI, status.
    const match = /^\S+ \S+ \[[^\]]*\] \S+ \S+ \S+ (\S+) (.+) (\/\S*) (\d{3}) /.exec(line)
    if (match === null) return []
    const [, operation = '', key = '', , status] = match
    return [{ method: methodOf(operation), key, status: Number(status) }]
  })
}

function methodOf(operation: string): LoggedRequest['method'] {
  const name = operation.replace(/^s3[_:]/, '')
  if (/^(?:Get|List)/.test(name)) return 'GET'
  if (/^(?:Put|UploadPart|Copy)/.test(name)) return 'PUT'
  if (/^(?:Create|Complete|Post)/.test(name) || name === 'DeleteObjects') return 'POST'
  if (name.startsWith('Head')) return 'HEAD'
  return /^(?:Delete|Abort)/.test(name) ? 'DELETE' : 'other'
}
