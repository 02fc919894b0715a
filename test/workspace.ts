import * as fs from 'node:fs'
import * as path from 'node:path'

export const root = path.dirname(import.meta.dirname)

export interface Package {
  /** Without the scope. */
  name: string
  /** From the workspace's root: `packages/core`. */
  folder: string
  layer: string
  /** Every kind of dependency that the package.json declares, with its version. */
  dependencies: Record<string, string>
}

/** The packages of the workspace, in the order of their names. */
export function readPackages(): Package[] {
  return fs
    .readdirSync(path.join(root, 'packages'))
    .toSorted()
    .map((name) => readPackage(`packages/${name}`))
}

export function readPackage(folder: string): Package {
  const manifest = JSON.parse(readText(`${folder}/package.json`)) as Manifest
  const tags = manifest.nx?.tags ?? []
  return {
    name: manifest.name.replace('@berth/', ''),
    folder,
    layer: tags.find((tag) => tag.startsWith('layer:'))?.slice('layer:'.length) ?? 'none',
    dependencies: {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies,
    },
  }
}

interface Manifest {
  name: string
  nx?: { tags?: string[] }
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

/** Files below a folder, from the workspace's root, without what is installed or made. */
export function listFiles(folder: string, ending: RegExp): string[] {
  const full = path.join(root, folder)
  if (!fs.existsSync(full)) return []
  return fs.readdirSync(full, { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name)
    if (['node_modules', 'dist', '.git', '.nx', '.cache'].includes(entry.name)) return []
    if (entry.isDirectory()) return listFiles(file, ending)
    return ending.test(entry.name) ? [file] : []
  })
}

export function readText(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8')
}

/** What a source file imports: static, type-only, re-exported and dynamic. */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const patterns = [
    /^\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]/gm,
    /^\s*import\s+['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
  ]
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''))
}

/** `@scope/name` or `name` of an import, whatever it takes from it; undefined for a file or a part of Node. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}
