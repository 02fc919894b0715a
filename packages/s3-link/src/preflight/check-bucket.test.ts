import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTcp, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer as createSecure } from 'node:tls'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { missingS3Server, startS3Server, startStubS3 } from '@berth/object-store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { defaultOptions } from '../driver/link-options.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { checkBucket } from './check-bucket.ts'

const testServer = requirement('s3', missingS3Server() ?? true)
const testCertificate = requirement('openssl', hasOpenssl())
const keys = { AWS_ACCESS_KEY_ID: 'a'.repeat(8), AWS_SECRET_ACCESS_KEY: 'b'.repeat(8) }

testServer('checks a bucket step by step, and leaves nothing in it', async () => {
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const { checks, error } = await check(
    `s3://${server.bucket}/pods?endpoint=${server.endpoint}`,
    server.env,
  )
  expect(error).toBeUndefined()
  expect(checks.map(({ name, result }) => `${name} ${result}`)).toEqual([
    'address ok',
    'connection ok',
    'certificate ok',
    'clock ok',
    'region ok',
    'list ok',
    'write ok',
    'size ok',
    'read ok',
    'metadata ok',
    'conditions ok',
    'parts ok',
    'remove ok',
  ])
  const again = await check(`s3://${server.bucket}?endpoint=${server.endpoint}`, server.env)
  expect(saidOf(again, 'list')).toContain('is empty')
})

testServer('stops at the first check that fails, with its cause', async () => {
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const wrongKey = await check(`s3://${server.bucket}?endpoint=${server.endpoint}`, keys)
  expect(failed(wrongKey)).toEqual(['list', 'object-store/bad-credentials'])
  expect(wrongKey.checks.at(-1)).toMatchObject({ name: 'remove', result: 'skipped' })
  const noBucket = await check(`s3://not-there?endpoint=${server.endpoint}`, server.env)
  expect(failed(noBucket)).toEqual(['list', 'object-store/no-such-bucket'])
})

test('warns of what a key or a service can’t do, and goes on', async () => {
  const stub = await startStubS3({ conditionalWrites: 'ignored' })
  onTestFinished(() => stub.close())
  stub.fault({ kind: { status: 403 }, method: 'DELETE', key: /^pods\/\.berth-canary/ })
  stub.fault({ kind: { status: 403 }, method: 'POST', query: 'delete' })
  const { checks, error } = await check(stub.url, stub.env)
  expect(error).toBeUndefined()
  const warned = checks.filter(({ result }) => result === 'warning')
  expect(warned.map(({ name }) => name)).toEqual(['metadata', 'conditions', 'parts', 'remove'])
  expect(warned[3]?.said).toMatch(/^not allowed, `\.berth-canary-[0-9a-f]+` stays in the bucket/)
  for (const { hint } of warned) expect(hint).toMatch(/./)
})

test('says that a name has no address, and a port no listener', async () => {
  const noName = await check('s3://art?endpoint=http://nowhere.invalid', keys)
  expect(failed(noName)).toEqual(['address', 's3-link/no-host'])
  const noPort = await check('s3://art?endpoint=http://127.0.0.1:1', keys)
  expect(failed(noPort)).toEqual(['connection', 's3-link/unreachable'])
})

test('tells of an endpoint without TLS what was found in the place of a certificate', async () => {
  const plain = createTcp((socket) => {
    socket.on('error', () => undefined)
    socket.end('220 mail.example.com ESMTP\r\n')
  })
  plain.listen(0, '127.0.0.1')
  await new Promise((resolve) => plain.once('listening', resolve))
  onTestFinished(() => void plain.close())
  const { port } = plain.address() as AddressInfo
  const asked = await check(`s3://art?endpoint=https://127.0.0.1:${port}`, keys)
  expect(failed(asked)).toEqual(['certificate', 's3-link/tls'])
  expect(saidOf(asked, 'certificate')).toMatch(/wrong version number|packet length|EPROTO/i)
})

testCertificate('says what is wrong with a certificate in the words of its check', async () => {
  const folder = await temporaryDirectory()
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name)) as [string, string]
  const subject = ['-subj', '/CN=s3.example.com', '-days', '2', '-keyout', key, '-out', cert]
  const args = ['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  execFileSync('openssl', [...args, ...subject], { stdio: 'ignore' })
  const server = createSecure({ key: readFileSync(key), cert: readFileSync(cert) })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const asked = await check(`s3://art?endpoint=https://127.0.0.1:${port}`, keys)
  expect(failed(asked)).toEqual(['certificate', 's3-link/tls'])
  expect(saidOf(asked, 'certificate')).toContain('self-signed certificate')
})

test.each([
  [60_000, 'ok'],
  [-400_000, 'warning'],
  [400_000, 'warning'],
  [1_000_000, 'failed'],
  [-1_000_000, 'failed'],
])('judges a clock that is %i ms apart: %s', async (apart, result) => {
  const endpoint = await answerWith(() => ({
    status: 403,
    headers: { date: new Date(Date.now() + apart).toUTCString() },
  }))
  const { checks } = await check(`s3://art?endpoint=${endpoint}`, keys)
  const clock = checks.find(({ name }) => name === 'clock')
  expect(clock?.result).toBe(result)
  if (result === 'failed') expect(clock?.code).toBe('s3-link/clock')
  if (result !== 'ok') expect(clock?.hint).toMatch(/./)
})

test.each([
  [301, 'failed'],
  [307, 'failed'],
  [200, 'warning'],
])('names the region of a bucket that answers %i from another: %s', async (status, result) => {
  const endpoint = await answerWith(() => ({
    status,
    headers: { 'x-amz-bucket-region': 'eu-west-1' },
  }))
  const { checks } = await check(`s3://art?endpoint=${endpoint}&region=us-east-1`, keys)
  const region = checks.find(({ name }) => name === 'region')
  expect(region).toMatchObject({ result, code: 's3-link/wrong-region' })
  expect(region?.hint).toContain('?region=eu-west-1')
})

/** An endpoint that answers everything alike, and to a listing that it may not be seen. */
async function answerWith(
  answer: () => { status: number; headers: Record<string, string> },
): Promise<string> {
  const server: Server = createServer((request, response) => {
    const { status, headers } = answer()
    response.writeHead(request.method === 'HEAD' ? status : 403, headers)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function check(store: string, env: Record<string, string>) {
  const places = { runtime: '/dev/shm/none', cache: '/var/tmp/none', inMemory: true }
  const spec = createMountSpec({ store, env, driver: 's3fs', options: defaultOptions, places })
  return checkBucket(spec, new AbortController().signal)
}

type Checked = Awaited<ReturnType<typeof check>>

function failed({ checks, error }: Checked): (string | undefined)[] {
  const found = checks.find(({ result }) => result === 'failed')
  expect(found?.code).toBe(error?.code)
  return [found?.name, found?.code]
}

function saidOf({ checks }: Checked, name: string): string {
  return checks.find((one) => one.name === name)?.said ?? ''
}

function hasOpenssl(): true | string {
  const { error } = spawnSync('openssl', ['version'], { stdio: 'ignore' })
  return error === undefined ? true : 'it is not installed'
}
