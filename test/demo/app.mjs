// The same small web app as app.py, for a machine without Python: it imports from the generated tree instead of a venv.
import * as fs from 'node:fs'
import * as http from 'node:http'
import * as path from 'node:path'
import { pathToFileURL } from 'node:url'

const [pod, portFile, ...modules] = process.argv.slice(2)
const prefix = path.join(pod, 'venv')
const imported = {}
for (const name of modules) {
  const file = path.join(prefix, 'lib', name, 'index.mjs')
  imported[name] = [(await import(pathToFileURL(file).href)).version, file]
}

function facts() {
  const nodes = fs.readdirSync(path.join(pod, 'ComfyUI', 'custom_nodes'), { withFileTypes: true })
  return {
    runtime: `Node ${process.versions.node}`,
    prefix,
    modules: imported,
    nodes: nodes.filter((entry) => entry.isDirectory()).map((entry) => entry.name),
    workflows: fs.readdirSync(path.join(pod, '.comfyui', 'workflows')).toSorted(),
  }
}

const server = http.createServer(async (request, response) => {
  if (request.method !== 'POST') return response.end(JSON.stringify(facts()))
  const body = Buffer.concat(await Array.fromAsync(request))
  fs.writeFileSync(path.join(pod, '.comfyui', 'workflows', path.basename(request.url)), body)
  return response.end(JSON.stringify({ bytes: body.length }))
})
// A code of its own, so that one can see whose exit code the pod ends with.
process.on('SIGTERM', () => process.exit(42))
server.listen(0, '127.0.0.1', () => {
  fs.writeFileSync(`${portFile}.new`, String(server.address().port))
  fs.renameSync(`${portFile}.new`, portFile)
})
