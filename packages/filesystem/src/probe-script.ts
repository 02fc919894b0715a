import type * as fileSystem from 'node:fs'

type FileSystem = typeof fileSystem

/** What the probing process found; the parent puts it into words. */
export interface ProbeAnswer extends Tried {
  realPath: string
  isDirectory: boolean
  freeBytes: number
  freeInodes?: number
}

interface Tried {
  writable: boolean
  renames?: boolean
  symlinks?: boolean
  hardLinks?: boolean
  chmods?: boolean
  exclusiveCreate?: boolean
  removes?: boolean
  /** The first thing that went wrong. */
  failure?: { code: string; message: string }
}

/** What the probing process is asked, as JSON in this variable of its environment: everyone may read a process's arguments. */
export const QUESTION_VARIABLE = 'BERTH_PROBE'

export interface ProbeQuestion {
  path: string
  /** Null: nothing may be written. */
  temporary: string | null
}

/**
 * The program of the probing process, in which everything is synchronous: it is this process that a hung file system is allowed to
 * hold. It prints a `ProbeAnswer`. Without `temporary` it writes nothing; with it, it removes what it made, whatever failed.
 */
export const probeProgram = `
    const fs = process.getBuiltinModule('node:fs')
    const lookAt = ${lookAt}
    const tryOut = ${tryOut}
    const { path, temporary } = JSON.parse(process.env.${QUESTION_VARIABLE})
    const seen = lookAt(fs, path)
    const tried = seen.writable && temporary !== null ? tryOut(fs, temporary) : {}
    process.stdout.write(JSON.stringify({ ...seen, ...tried }))
  `

// The two below become text of that program: they may use nothing but their arguments.

function lookAt(fs: FileSystem, path: string): ProbeAnswer {
  const answer: ProbeAnswer = { realPath: path, isDirectory: false, writable: false, freeBytes: 0 }
  try {
    answer.realPath = fs.realpathSync.native(path)
    answer.isDirectory = fs.statSync(path).isDirectory()
    const { bavail, bsize, files, ffree } = fs.statfsSync(path)
    answer.freeBytes = bavail * bsize
    if (files > 0) answer.freeInodes = ffree
    if (!answer.isDirectory) return answer
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    answer.writable = true
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException
    answer.failure = { code, message }
  }
  return answer
}

function tryOut(fs: FileSystem, temporary: string): Tried {
  const answer: Tried = { writable: false }
  const attempt = (action: () => boolean): boolean => {
    try {
      return action()
    } catch (error) {
      const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException
      answer.failure ??= { code, message }
      return false
    }
  }
  const [file, other] = [`${temporary}/file`, `${temporary}/other`]
  answer.writable = attempt(() => {
    fs.mkdirSync(temporary)
    const handle = fs.openSync(file, 'w')
    fs.writeSync(handle, 'berth')
    fs.fsyncSync(handle)
    fs.closeSync(handle)
    return fs.readFileSync(file, 'utf8') === 'berth'
  })
  if (answer.writable) {
    answer.exclusiveCreate = attempt(() => {
      try {
        fs.closeSync(fs.openSync(file, 'wx'))
        return false
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EEXIST'
      }
    })
    answer.chmods = attempt(() =>
      [0o640, 0o751].every((mode) => {
        fs.chmodSync(file, mode)
        return (fs.statSync(file).mode & 0o777) === mode
      }),
    )
    answer.hardLinks = attempt(() => {
      fs.linkSync(file, `${temporary}/hard`)
      return fs.statSync(`${temporary}/hard`).size === 5
    })
    answer.symlinks = attempt(() => {
      fs.symlinkSync('file', `${temporary}/link`)
      return fs.readlinkSync(`${temporary}/link`) === 'file'
    })
    answer.renames = attempt(() => {
      fs.writeFileSync(other, 'old')
      fs.renameSync(file, other)
      fs.mkdirSync(`${temporary}/directory`)
      fs.renameSync(`${temporary}/directory`, `${temporary}/renamed`)
      return fs.readFileSync(other, 'utf8') === 'berth' && !fs.existsSync(file)
    })
  }
  answer.removes = attempt(() => {
    fs.rmSync(temporary, { recursive: true, force: true })
    return true
  })
  return answer
}
