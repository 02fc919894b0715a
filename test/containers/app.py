# The app of the tests in containers: leaves ten orphans, says what it found, adds a line to $WORDS, and serves until SIGTERM.
import os, signal, subprocess, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
for _ in range(10):
    subprocess.run(['sh', '-c', 'sleep 0.1 &'])
words = os.environ['WORDS']
os.makedirs(os.path.dirname(words), exist_ok=True)
before = open(words).read().split() if os.path.exists(words) else []
with open(words, 'a') as file:
    file.write(os.environ.get('WORD', 'word') + '\n')


def zombies():
    states = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            states += [line.split()[1] for line in open(f'/proc/{pid}/status') if line.startswith('State:')]
        except OSError:
            pass
    return states.count('Z')


# The orphans end in a moment; whoever adopted them has a moment more.
time.sleep(1)
for _ in range(20):
    if zombies() == 0:
        break
    time.sleep(0.1)
first = open('/proc/1/cmdline').read().split('\0')[0]
print(f'serving: prefix {sys.prefix}, zombies {zombies()}, init {os.path.basename(first)}, before {",".join(before)};', flush=True)
if 'ONCE' not in os.environ:
    while True:
        time.sleep(60)
