// Only while the executable is built: what V8 has compiled by the end of each process and thread is written down.
process.once('exit', () => {
  const { writeFileSync } = require('node:fs')
  const { threadId } = require('node:worker_threads')
  for (const [name, script] of scripts) {
    const file = `${process.env.BERTH_CACHES}/${name}.cache.${process.pid}.${threadId}`
    writeFileSync(file, script.createCachedData())
  }
})
