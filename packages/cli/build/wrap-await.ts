import type { Plugin } from 'rolldown'

/** Puts what these modules do themselves into an async function: CommonJS, of which the executable is made, cannot wait at its top. */
export function wrapAwait(files: readonly string[]): Plugin {
  return {
    name: 'wrap-await',
    transform(code, id) {
      if (!files.includes(id)) return undefined
      const { body } = this.parse(code, { lang: 'ts' })
      const imports = body.filter(({ type }) => type === 'ImportDeclaration')
      const end = imports.at(-1)?.end ?? 0
      const isMixed = body.some(({ type, start }) => type !== 'ImportDeclaration' && start < end)
      if (isMixed) throw new Error(`${id}: its imports do not stand before everything else`)
      return `${code.slice(0, end)}\nvoid (async () => {${code.slice(end)}\n})()\n`
    },
  }
}
