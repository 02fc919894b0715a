'use strict'
// The first code of the executable, in its processes and its threads. Every script of Berth's is an asset in it, with what V8 compiled of
// it; they are named by paths below HOME, where nothing can lie, and whoever starts one does it as with Node:
// `process.execPath HOME/keeper.cjs`, `new Worker(HOME/worker.cjs)`.
const { getAsset, getRawAsset } = require('node:sea')
const { Script } = require('node:vm')

const HOME = '/proc/self/exe/'
const loaded = new Map()
const scripts = new Map()

/** node:worker_threads, for which a script of the executable is a script like any other. Most processes start no thread, and don't load it. */
function workerThreads() {
  const threads = require('node:worker_threads')
  class Worker extends threads.Worker {
    constructor(script, options) {
      const place = placeOf(script)
      if (place === undefined) super(script, options)
      else super(getAsset('start.cjs', 'utf8'), { ...options, eval: true, argv: [place] })
    }
  }
  return { ...threads, Worker }
}

function placeOf(script) {
  const place = script instanceof URL ? script.pathname : script
  return String(place).startsWith(HOME) ? place : undefined
}

function requireScript(id) {
  if (id === 'node:worker_threads') return workerThreads()
  if (!id.startsWith('./')) return require(id)
  return load(id.slice(2))
}

function load(name) {
  const known = loaded.get(name)
  if (known !== undefined) return known.exports
  const module = { exports: {} }
  loaded.set(name, module)
  const filename = HOME + name
  const script = new Script(getAsset(name, 'utf8'), { filename, cachedData: cacheOf(name) })
  scripts.set(name, script)
  script.runInThisContext()(module.exports, requireScript, module, filename)
  return module.exports
}

function cacheOf(name) {
  try {
    return new Uint8Array(getRawAsset(`${name}.cache`))
  } catch {
    return undefined
  }
}

function start() {
  // What Node was started with is in the executable already.
  process.execArgv = []
  const [own, , first, ...rest] = process.argv
  if (first === '--input-type=commonjs' && rest[0] === '-e') {
    process.argv = [own, ...rest.slice(2)]
    new Script(`(function (require) {${rest[1]}\n})`).runInThisContext()(require)
    return
  }
  const place = placeOf(first) ?? `${HOME}main.cjs`
  process.argv = [own, place, ...process.argv.slice(placeOf(first) === undefined ? 2 : 3)]
  load(place.slice(HOME.length))
}

/* warm */
start()
