import { z } from 'zod'

const pattern = /^(https?:\/\/[^/\s]|\$\{\{)/

/** Text of a recipe that begins as a URL of HTTP does, or with an expression. */
export const httpUrl = () =>
  z
    .string()
    .superRefine((text, { addIssue }) => {
      if (pattern.test(text)) return
      const meant = meantBy(text)
      const hint =
        meant === undefined
          ? 'write it like `http://localhost:8188/`'
          : `did you mean \`${meant}\`?`
      const message = 'must begin with `http://` or `https://`'
      addIssue({ code: 'custom', message, params: { hint } })
    })
    .meta({ pattern: pattern.source })

/** A port, or a URL without its scheme. */
function meantBy(text: string): string | undefined {
  const [, port] = /^:?(\d+)$/.exec(text) ?? []
  if (port !== undefined) return `http://localhost:${port}`
  const evaluated = text.replaceAll(/\$\{\{[^}]*\}\}/g, '1')
  const isBare = /^[^\s/:]+(:\d+)?(\/\S*)?$/.test(evaluated)
  return isBare && URL.canParse(`http://${evaluated}`) ? `http://${text}` : undefined
}
