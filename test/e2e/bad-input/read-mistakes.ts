import * as fs from 'node:fs'

/** One section of mistakes.md. */
export interface Mistake {
  title: string
  wrong: Attempt
  right: Attempt
  /** All that is said, on stderr. */
  says: string
  /** What a program reads on stdout. */
  json: unknown
}

export interface Attempt {
  recipe: string
  command: string
}

const RECIPE = 'boot:\n  - run: touch canary\n'
const COMMAND = 'berth run recipe.yaml boot'

/** Reads the table: a heading, then fenced blocks `yaml wrong`, `yaml right`, `sh wrong`, `sh right`, `text` and perhaps `json`. */
export function readMistakes(file: URL): Mistake[] {
  const sections = fs.readFileSync(file, 'utf8').split(/^## /m).slice(1)
  return sections.map((section) => {
    const title = section.split('\n', 1)[0] ?? ''
    const blocks = new Map(
      [...section.matchAll(/^```([a-z ]+)\n(.*?)^```$/gms)].map((match) => [match[1], match[2]]),
    )
    const attempt = (which: 'wrong' | 'right'): Attempt => ({
      recipe: blocks.get(`yaml ${which}`) ?? RECIPE,
      command: blocks.get(`sh ${which}`)?.trim() ?? COMMAND,
    })
    const json = blocks.get('json')
    return {
      title,
      wrong: attempt('wrong'),
      right: attempt('right'),
      says: blocks.get('text') ?? '',
      json: json === undefined ? undefined : JSON.parse(json),
    }
  })
}
