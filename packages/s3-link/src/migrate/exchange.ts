import { runShort } from '../mount/short-command.ts'

type Command = [string, ...string[]]

// RENAME_EXCHANGE of renameat2(2), which Node doesn't offer; its number differs between processors.
const NUMBERS: Readonly<Record<string, number>> = { x64: 316, arm64: 276, riscv64: 276 }
// An orphan must not do it later, when the next run has gone on: each looks whether its parent is still there.
const PERL = 'exit(getppid()==$ARGV[0]&&syscall($ARGV[1]+0,-100,$ARGV[2],-100,$ARGV[3],2)==0?0:1)'
const PYTHON =
  'import ctypes,os,sys;p,n,a,b=sys.argv[1:];sys.exit(os.getppid()!=int(p) or ctypes.CDLL(None).syscall(int(n),-100,os.fsencode(a),-100,os.fsencode(b),2)!=0)'
const MOVE = '[ "$PPID" = "$1" ] && exec mv --exchange --no-target-directory -- "$2" "$3"'
const PATIENCE_MS = 10_000

/**
 * Swaps what two names of one file system stand for, in a single step that nobody can see the middle of. Asks the first of coreutils
 * (from 9.5 on), perl and python3 that can. False where none can, or the file system can't; then nothing has changed. A helper that
 * was too late may have done it all the same: whoever asks looks at the names afterwards.
 */
export async function exchangeNames(one: string, other: string): Promise<boolean> {
  for (const command of commandsFor(one, other)) {
    const { result, code } = await runShort(command, PATIENCE_MS)
    if (result === 'late') return false
    if (code === 0) return true
  }
  return false
}

function commandsFor(one: string, other: string): Command[] {
  const number = NUMBERS[process.arch]
  const parent = `${process.pid}`
  const move: Command = ['sh', '-c', MOVE, 'sh', parent, one, other]
  if (process.platform !== 'linux' || number === undefined) return [move]
  return [
    ['perl', '-e', PERL, parent, `${number}`, one, other],
    ['python3', '-I', '-S', '-c', PYTHON, parent, `${number}`, one, other],
    move,
  ]
}
