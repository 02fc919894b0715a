import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename } from 'node:path'

// Imported before a program, notes every module that the program loads: its entry, a space, the URL.
const entry = basename(process.argv[1] ?? '')
const log = process.env['MODULE_LOG'] ?? ''
registerHooks({
  load: (url, context, next) => {
    appendFileSync(log, `${entry} ${url}\n`)
    return next(url, context)
  },
})
