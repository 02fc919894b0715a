// Prints each secret that the step was given in the ways in which programs do.
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

for (const name of process.argv.slice(2)) {
  const value = process.env[name] ?? ''
  const json = JSON.stringify({ [name]: value })
  console.log(value)
  console.error(`${name} is "${value}"`)
  console.log(json, JSON.stringify({ body: json }), inspect({ [name]: value }))
  console.log(encodeURIComponent(value), new URLSearchParams({ value }).toString())
  for (const encoding of ['base64', 'base64url', 'hex']) {
    console.log(Buffer.from(value).toString(encoding))
    console.log(Buffer.from(`user:${value}\n`).toString(encoding))
    console.log(Buffer.from(`me:${value}`).toString(encoding))
  }
  console.log(`GET https://me:${encodeURIComponent(value)}@example.com/`)
  console.log(`authorization: Bearer ${value}`)
  const half = Math.floor(value.length / 2)
  for (const stream of [process.stdout, process.stderr]) {
    stream.write(`halves ${value.slice(0, half)}`)
    await sleep(30)
    stream.write(`${value.slice(half)} end\n`)
  }
  for (const character of `one by one ${value}\n`) {
    process.stdout.write(character)
    if (character === value[3]) await sleep(2)
  }
  process.stdout.write(`\u001b[01;31m${value.slice(0, half)}\u001b[m\u001b[K${value.slice(half)}\n`)
  const error = new Error(`could not sign in with ${value}`, { cause: new Error(value) })
  console.error(error.stack, inspect(error))
}
