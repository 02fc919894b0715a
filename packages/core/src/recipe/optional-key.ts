import { z } from 'zod'

/**
 * A key that need not be there. What it may hold is made when the first document has it: zod takes longer to make the whole schema of
 * recipes than to check one, and most recipes use few of its keys. Not for what has a default.
 */
export function optionalKey<Schema extends z.ZodType>(
  description: string,
  make: () => Schema,
): z.ZodOptional<z.ZodLazy<Schema>> {
  const content = z.lazy(make)
  // An optional asks what it holds whether that puts something in the place of nothing, and so would have it made for every document.
  Object.defineProperty(content._zod, 'optin', { value: undefined })
  const schema = z.optional(content)
  // `describe` would make a second one.
  z.globalRegistry.add(schema, { description })
  return schema
}
