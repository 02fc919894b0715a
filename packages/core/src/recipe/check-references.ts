import type { Token } from '@actions/expressions/lexer'
import { unknownSecret } from './unknown-secret.ts'
import type { BerthError } from '../error.ts'
import type { Scope } from '../expression/expression-scope.ts'
import { problem, type Span } from './recipe-node.ts'
import { didYouMean } from '../suggest.ts'
import type { Reference } from '../expression/walk-expression.ts'

/** What is wrong with a name, and which part of it to point at. */
export interface ReferenceFault {
  token: Token
  problem: (span: Span) => BerthError
}

/** Says why what an expression names doesn't exist at its place, or undefined when it does. */
export function referenceFault(reference: Reference, scope: Scope): ReferenceFault | undefined {
  const context = reference.context.lexeme.toLowerCase()
  const [first] = reference.names
  const fault = (
    code: string,
    message: string,
    hint?: string,
    token = reference.context,
  ): ReferenceFault => ({
    token,
    problem: (span) => problem(code, message, span, hint),
  })
  if (context === 'secrets') {
    return secretFault(reference, scope, fault)
  }
  if (!scope.contexts.some((name) => name === context)) {
    return fault('recipe/unavailable', `\`${context}\` has no value in ${scope.place}`)
  }
  if (context === 'vars' && first && !scope.vars.includes(first.text)) {
    const message = `the recipe declares no variable \`${first.text}\``
    const hint = didYouMean(first.text, scope.vars)
    return fault('recipe/unknown-variable', message, hint, first.token)
  }
  if (context === 'inputs' && first && !scope.inputs.includes(first.text)) {
    const message = `the plugin declares no input \`${first.text}\``
    const hint = didYouMean(first.text, scope.inputs)
    return fault('recipe/unknown-input', message, hint, first.token)
  }
  if (context === 'env') {
    return envFault(reference, scope, fault)
  }
  return context === 'steps' ? stepFault(reference, scope, fault) : undefined
}

type MakeFault = (code: string, message: string, hint?: string, token?: Token) => ReferenceFault

function secretFault(
  reference: Reference,
  scope: Scope,
  fault: MakeFault,
): ReferenceFault | undefined {
  const [name] = reference.names
  const words = name ? `the secret \`${name.text}\`` : 'secrets'
  if (scope.secretsRefused === 'argv') {
    const message = `${words} in ${scope.place} would be visible to every process`
    const hint = scope.pipeline
      ? `name it in \`secrets\` of the step and use \`$${name?.text ?? 'NAME'}\``
      : 'main has it in its environment'
    return fault('recipe/secret-in-command', message, hint)
  }
  if (scope.secretsRefused === 'everyone') {
    const message = `${words} in ${scope.place} would be given to every step`
    return fault('recipe/secret-in-env', message, 'name it in `secrets` of the steps that need it')
  }
  if (name && !scope.secrets.includes(name.text)) {
    return {
      token: name.token,
      problem: (span) => unknownSecret(name.text, scope.secrets, span),
    }
  }
  return undefined
}

function envFault(
  { names }: Reference,
  scope: Scope,
  fault: MakeFault,
): ReferenceFault | undefined {
  const [name] = names
  if (scope.secretsRefused === 'argv' && (!name || scope.secretEnv.includes(name.text))) {
    if (!name && scope.secretEnv.length === 0) {
      return undefined
    }
    const what = name ? `the secret in \`env.${name.text}\`` : 'the secrets in `env`'
    const message = `${what} in ${scope.place} would be visible to every process`
    const hint = name ? `use \`$${name.text}\`` : 'name the variables one by one'
    return fault('recipe/secret-in-command', message, hint, name?.token)
  }
  if (name && scope.secrets.includes(name.text)) {
    const message = `\`${name.text}\` is a secret, which \`env\` does not hold`
    return fault('recipe/secret-in-env', message, `write \`secrets.${name.text}\``, name.token)
  }
  return undefined
}

function stepFault(
  reference: Reference,
  scope: Scope,
  fault: MakeFault,
): ReferenceFault | undefined {
  const [id, property, output] = reference.names
  if (!id) {
    return undefined
  }
  const step = scope.steps.get(id.text)
  if (!step) {
    const message = `there is no step \`${id.text}\``
    const hint = didYouMean(id.text, scope.steps.keys())
    return fault('recipe/unknown-step-id', message, hint, id.token)
  }
  if (!step.ended) {
    const message = `the step \`${id.text}\` of \`${step.pipeline}\` has not ended by then`
    const hint =
      step.pipeline === scope.pipeline
        ? 'move it before this one, or add it to `needs`'
        : 'name a step of the same pipeline, or in `shutdown` and `main` one of `boot`'
    return fault('recipe/not-ended', message, hint, id.token)
  }
  if (property && !['outputs', 'result'].includes(property.text)) {
    const message = `a step has no \`${property.text}\``
    const hint = didYouMean(property.text, ['outputs', 'result'])
    return fault('recipe/unknown-output', message, hint, property.token)
  }
  if (property?.text === 'outputs' && output && step.outputs?.includes(output.text) === false) {
    const message = `the step \`${id.text}\` has no output \`${output.text}\``
    const hint = didYouMean(output.text, step.outputs)
    return fault('recipe/unknown-output', message, hint, output.token)
  }
  return undefined
}
