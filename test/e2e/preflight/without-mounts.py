# Runs a command in a process whose system calls that mount are refused, as a container's profile of seccomp does.
import ctypes
import os
import platform
import struct
import sys

mount = {'x86_64': 165, 'aarch64': 40}[platform.machine()]
# open_tree, move_mount, fsopen, fsmount: numbered alike everywhere.
refused = [mount, 428, 429, 430, 432]
load, equal, answer = 0x20, 0x15, 0x06
lines = [(load, 0, 0, 0)]
for at, number in enumerate(refused):
    lines.append((equal, len(refused) - at, 0, number))
lines += [(answer, 0, 0, 0x7FFF0000), (answer, 0, 0, 0x00050000 | 1)]
code = b''.join(struct.pack('HBBI', *line) for line in lines)
text = ctypes.create_string_buffer(code, len(code))


class Program(ctypes.Structure):
    _fields_ = [('count', ctypes.c_ushort), ('lines', ctypes.c_void_p)]


libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(lines), ctypes.addressof(text))
if libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
    sys.exit('could not filter: ' + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
