/** The fenced YAML blocks of a page, each with the line where it begins. */
export function yamlBlocks(page: string, markdown: string): { place: string; text: string }[] {
  return [...markdown.matchAll(/^```ya?ml\n(.*?)^```$/gms)].map((match) => ({
    place: `${page}:${markdown.slice(0, match.index).split('\n').length}`,
    text: match[1] ?? '',
  }))
}

/**
 * The file that a block stands for, if its first line names it, so that the others of its page can extend it: `# base.yaml`. One that
 * goes on `, on top of pod.yaml` is an overlay.
 */
export function namedFile(text: string): { file?: string; below?: string } {
  const [, file, below] = /^# ([\w./-]+\.yaml)(?:, on top of ([\w./-]+\.yaml))?$/m.exec(text) ?? []
  return { ...(file === undefined ? {} : { file }), ...(below === undefined ? {} : { below }) }
}

/** Says whether a block is for Kubernetes, GitHub or GitLab rather than for us. */
export function isOfAnotherProgram(text: string): boolean {
  return /^(?:apiVersion|jobs|stages|include|image):|^\S+:\n {2}(?:script|image|stage):/m.test(text)
}

/** Where the links of a page lead within the repository. */
export function linksIn(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
  return targets.filter((target) => !/^[a-z]+:/.test(target))
}

/** The rows of all tables of a page. */
export function readmeTables(markdown: string): string {
  return (markdown.match(/^\|.*\|$/gm) ?? []).join('\n')
}

/** The error codes of a package in a source file: quoted text that begins with the package's own prefix. */
export function codesIn(source: string, prefixes: readonly string[]): string[] {
  const code = new RegExp(`'((?:${prefixes.join('|')})/[a-z][a-z0-9-]*)'`, 'g')
  return [...source.matchAll(code)].map((match) => match[1] ?? '')
}
