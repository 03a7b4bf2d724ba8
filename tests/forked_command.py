"""`python -IS forked_command.py SOCKET MODULE ARGUMENTS…`: the program as a shell starts it, forked by `forking`.

It has to be quicker than what it saves: it imports what is built in alone, and takes 10 ms.
"""

import _signal
import _socket
import marshal
import os
import resource
import struct
import sys

# What Python opens itself may have taken the number of a closed one.
streams = [number for number, file in enumerate((sys.stdin, sys.stdout, sys.stderr)) if file is not None]
address, module, *arguments = sys.argv[1:]
umask = os.umask(0o077)
os.umask(umask)
request = {
    "module": module,
    "arguments": arguments,
    "folder": os.getcwd(),  # noqa: PTH109 (importing pathlib takes longer than all the rest)
    "env": dict(os.environ),
    "streams": tuple(streams),
    "umask": umask,
    "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
}
SIGNALS = {_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP}
_signal.pthread_sigmask(_signal.SIG_BLOCK, SIGNALS)
parent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
parent.connect(address)
rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(streams)}i", *streams))
parent.sendmsg([marshal.dumps(request)], [rights])
pid = int(parent.recv(64))


def pass_on(number, _):
    try:  # noqa: SIM105 (as above)
        os.kill(pid, number)
    except ProcessLookupError:
        pass


for number in SIGNALS:
    if _signal.getsignal(number) != _signal.SIG_IGN:
        _signal.signal(number, pass_on)
_signal.pthread_sigmask(_signal.SIG_UNBLOCK, SIGNALS)
status = int(parent.recv(64))
if os.WIFSIGNALED(status):
    _signal.signal(os.WTERMSIG(status), _signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.WEXITSTATUS(status))
