import { z } from 'zod'
import type { Path } from './recipe-node.ts'

/** The keys that a zod schema knows at a path; none where it takes any, or no map at all. */
export function knownKeys(schema: z.ZodType, path: Path): string[] {
  return schemasAt(schema, path).flatMap((found) =>
    found instanceof z.ZodObject ? Object.keys(found.shape) : [],
  )
}

/** The schemas that may apply at a path: several where a union allows several. */
function schemasAt(schema: z.ZodType, path: Path): z.ZodType[] {
  const bare = unwrap(schema)
  const [key, ...rest] = path
  if (key === undefined) {
    return bare
  }
  return bare.flatMap((found) => {
    const child = childSchema(found, key)
    return child ? schemasAt(child, rest) : []
  })
}

function childSchema(schema: z.ZodType, key: PropertyKey): z.ZodType | undefined {
  if (schema instanceof z.ZodObject) {
    return schema.shape[String(key)] as z.ZodType | undefined
  }
  if (schema instanceof z.ZodArray) {
    return schema.element as z.ZodType
  }
  return schema instanceof z.ZodRecord ? (schema.valueType as z.ZodType) : undefined
}

function unwrap(schema: z.ZodType): z.ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) {
    return unwrap(schema.def.innerType as z.ZodType)
  }
  if (schema instanceof z.ZodLazy) {
    return unwrap(schema.unwrap() as z.ZodType)
  }
  if (schema instanceof z.ZodPipe) {
    return unwrap(schema.def.in as z.ZodType)
  }
  if (schema instanceof z.ZodUnion) {
    return schema.options.flatMap((option) => unwrap(option as z.ZodType))
  }
  return [schema]
}
