import * as fs from 'node:fs'
import * as path from 'node:path'

/** The licence texts of the packages that these modules are of, as their authors ask for. Throws for a package without one. */
export function licensesOf(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap((id) => packageFolder(id) ?? []))
  const owners = new Map<string, string[]>()
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(
      fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
    ) as { name: string; version: string; license?: string }
    const file = fs.readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
    if (file === undefined && license === undefined)
      throw new Error(`${name} ${version} says nothing of its licence`)
    const text = file === undefined ? '' : fs.readFileSync(path.join(folder, file), 'utf8').trim()
    const own = `${name} ${version}${license === undefined ? '' : ` (${license})`}`
    owners.set(text, [...(owners.get(text) ?? []), own])
  }
  const parts = [...owners].map(([text, names]) =>
    `${names.toSorted().join('\n')}\n\n${text}`.trim(),
  )
  return `${parts.toSorted().join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

/** `…/node_modules/@scope/name` of a module below it; `undefined` for one of ours. */
function packageFolder(id: string): string | undefined {
  return /^(.*\/node_modules\/(?:@[^/]+\/)?[^/@]+)\//.exec(id)?.[1]
}
