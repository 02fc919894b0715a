import * as path from 'node:path'
import { expect, test } from 'vitest'
import {
  importsOf,
  listFiles,
  packageOf,
  readPackage,
  readPackages,
  readText,
} from './workspace.ts'
import type { Package } from './workspace.ts'

/** Each layer may import those before it. Within `service` the order is its own: archive → object-store → filesystem, platform. */
const LAYERS = ['core', 'service', 'plugin', 'app', 'test']
const SERVICES = [['filesystem', 'platform'], ['object-store'], ['archive']]

/** Outside dependencies have one owner; everyone else goes through it. */
const OWNERS: Record<string, string> = {
  zx: 'core',
  yaml: 'core',
  zod: 'core',
  '@actions/expressions': 'core',
  '@aws-sdk/client-s3': 'object-store',
  '@aws-sdk/lib-storage': 'object-store',
  tar: 'archive',
}

/** What tests may import without declaring it; the root package.json does. */
const TEST_TOOLS = ['vitest', 'fast-check']

const packages = readPackages()
const members = [...packages, readPackage('test')]

test('every package has a layer', () => {
  expect(members.filter(({ layer }) => !LAYERS.includes(layer))).toEqual([])
  const services = packages.filter(({ layer }) => layer === 'service').map(({ name }) => name)
  expect(services).toEqual(SERVICES.flat().toSorted())
})

test('dependencies point down, and plugins never to plugins', () => {
  const wrong = members.flatMap((from) =>
    Object.keys(from.dependencies)
      .flatMap((name) => members.filter((to) => `@berth/${to.name}` === name))
      .filter((to) => height(to) >= height(from))
      .map((to) => `${from.name} (${from.layer}) depends on ${to.name} (${to.layer})`),
  )
  expect(wrong).toEqual([])
})

test('each outside dependency has one owner and one exact version', () => {
  const declared = [...members, readPackage('.')].flatMap((member) =>
    Object.entries(member.dependencies)
      .filter(([name]) => !name.startsWith('@berth/'))
      .map(([name, version]) => ({ name, version, member: member.name })),
  )
  const wrong = declared.filter(
    ({ name, version, member }) =>
      !/^\d+\.\d+\.\d+$/.test(version) ||
      declared.some((other) => other.name === name && other.version !== version) ||
      (member !== 'berth-workspace' && OWNERS[name] !== member),
  )
  expect(wrong).toEqual([])
})

test('source imports what its package.json declares, and nothing outside its folder', () => {
  const wrong = packages.flatMap((member) =>
    listFiles(`${member.folder}/src`, /\.ts$/).flatMap((file) =>
      importsOf(readText(file))
        .filter((specifier) => !mayImport(member, file, specifier))
        .map((specifier) => `${file} imports ${specifier}`),
    ),
  )
  expect(wrong).toEqual([])
})

test('no file of code is over 300 lines, and no test over 600', () => {
  const files = ['packages', 'test', '.ci'].flatMap((folder) =>
    listFiles(folder, /\.(?:ts|mjs|sh|html|css)$|^[^.]+$/),
  )
  expect(files).toContain('test/repository.test.ts')
  const long = files
    .map((file) => ({ file, lines: readText(file).match(/^.*\S.*$/gm)?.length ?? 0 }))
    .filter(({ file, lines }) => lines > (file.endsWith('.test.ts') ? 600 : 300))
  expect(long).toEqual([])
})

function height(member: Package): number {
  const inside = SERVICES.findIndex((names) => names.includes(member.name))
  return LAYERS.indexOf(member.layer) * 10 + Math.max(inside, 0)
}

function mayImport(member: Package, file: string, specifier: string): boolean {
  const name = packageOf(specifier)
  if (name !== undefined) {
    const isTest = /\.test\.ts$|\/testing(?:\/|\.ts$|-)/.test(file)
    return name in member.dependencies || (isTest && TEST_TOOLS.includes(name))
  }
  if (specifier.startsWith('node:')) return true
  const target = path.posix.join(path.posix.dirname(file), specifier)
  return target.startsWith(`${member.folder}/`)
}
