import { z } from 'zod'

const scalar = z.union([z.string(), z.number(), z.boolean()])

/** One input of a plugin as `plugin.yaml` describes it: a part of JSON Schema, and whether it is required. */
export interface InputDescription {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object'
  description?: string | undefined
  default?: unknown
  required?: boolean | undefined
  enum?: (string | number | boolean)[] | undefined
  pattern?: string | undefined
  minLength?: number | undefined
  maxLength?: number | undefined
  minimum?: number | undefined
  maximum?: number | undefined
  minItems?: number | undefined
  maxItems?: number | undefined
  items?: InputDescription | undefined
  properties?: Record<string, InputDescription> | undefined
}

const count = z.int().min(0).optional()

const limits = {
  pattern: ['string'],
  minLength: ['string'],
  maxLength: ['string'],
  minimum: ['integer', 'number'],
  maximum: ['integer', 'number'],
  minItems: ['array'],
  maxItems: ['array'],
  items: ['array'],
  properties: ['object'],
} as const

/** The shape of an input's description. Its default must be one of the values that it describes. */
export const inputDescription: z.ZodType<InputDescription> = z.lazy(() =>
  z
    .strictObject({
      type: z
        .enum(['string', 'integer', 'number', 'boolean', 'array', 'object'])
        .describe('What it is.'),
      description: z.string().min(1).optional().describe('What it is for.'),
      default: z.unknown().optional().describe('Its value where the step gives none.'),
      required: z.boolean().optional().describe('The step must give it.'),
      enum: z.array(scalar).min(1).optional().describe('The values that it may have.'),
      pattern: z
        .string()
        .refine(isPattern, { error: 'must be a regular expression' })
        .optional()
        .describe('A regular expression that a text must match somewhere.'),
      minLength: count.describe('The fewest characters of a text.'),
      maxLength: count.describe('The most characters of a text.'),
      minimum: z.number().optional().describe('The least number.'),
      maximum: z.number().optional().describe('The greatest number.'),
      minItems: count.describe('The fewest items of a list.'),
      maxItems: count.describe('The most items of a list.'),
      items: inputDescription.optional().describe('What the items of a list are.'),
      properties: z
        .record(z.string(), inputDescription)
        .optional()
        .describe('The keys of a map; without them it may have any.'),
    })
    .superRefine((input, { addIssue }) => {
      for (const [key, types] of Object.entries(limits)) {
        const isGiven = input[key as keyof typeof limits] !== undefined
        if (!isGiven || (types as readonly string[]).includes(input.type)) continue
        const message = `\`${key}\` does not belong to an input of the type \`${input.type}\``
        const params = { code: 'recipe/misplaced-key', hint: `it takes ${types.join(' or ')}` }
        addIssue({ code: 'custom', path: [key], message, params })
      }
      if (input.default === undefined) return
      const found = valueSchema(input as InputDescription).safeParse(input.default)
      if (found.success) return
      const message = 'the default is not a value that the input may have'
      const params = { code: 'recipe/bad-value', hint: found.error.issues[0]?.message }
      addIssue({ code: 'custom', path: ['default'], message, params })
    }),
)

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}

/** The zod schema of a plugin's inputs: what validates them, types them, and describes them to editors. */
export function inputsSchema(inputs: Readonly<Record<string, InputDescription>>): z.ZodType {
  return z.strictObject(
    Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, fieldSchema(input)])),
  )
}

function fieldSchema(input: InputDescription): z.ZodType {
  const schema = valueSchema(input)
  const field =
    input.default === undefined
      ? input.required === true
        ? schema
        : schema.optional()
      : schema.default(input.default)
  return input.description === undefined ? field : field.describe(input.description)
}

function valueSchema(input: InputDescription): z.ZodType {
  const { enum: choices } = input
  const schema = typeSchema(input)
  if (choices === undefined) return schema
  const isChoice = (value: unknown) => choices.some((choice) => choice === value)
  return choices.every((choice) => isOfType(choice, input.type))
    ? z.literal(choices)
    : schema.refine(isChoice, { error: `must be one of ${choices.map(String).join(', ')}` })
}

function isOfType(value: unknown, type: InputDescription['type']): boolean {
  return typeof value === (type === 'integer' ? 'number' : type)
}

function typeSchema(input: InputDescription): z.ZodType {
  switch (input.type) {
    case 'string':
      return textSchema(input)
    case 'integer':
    case 'number':
      return numberSchema(input)
    case 'boolean':
      return z.boolean()
    case 'array': {
      let list = z.array(input.items === undefined ? z.unknown() : valueSchema(input.items))
      if (input.minItems !== undefined) list = list.min(input.minItems)
      return input.maxItems === undefined ? list : list.max(input.maxItems)
    }
    case 'object':
      return input.properties === undefined
        ? z.record(z.string(), z.unknown())
        : inputsSchema(input.properties)
    default:
      return z.unknown()
  }
}

function textSchema({ pattern, minLength, maxLength }: InputDescription): z.ZodType {
  let text = z.string()
  if (pattern !== undefined) text = text.regex(new RegExp(pattern, 'u'))
  if (minLength !== undefined) text = text.min(minLength)
  return maxLength === undefined ? text : text.max(maxLength)
}

function numberSchema({ type, minimum, maximum }: InputDescription): z.ZodType {
  let number: z.ZodNumber = type === 'integer' ? z.int() : z.number()
  if (minimum !== undefined) number = number.min(minimum)
  return maximum === undefined ? number : number.max(maximum)
}
