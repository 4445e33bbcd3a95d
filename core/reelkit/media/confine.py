"""The first program of a confined process: takes rights away from itself, then becomes the real program.

Run by path with `python -I -S`, so it imports nothing but the standard library:

    confine.py parent=PID cpu=S memory=B file=B open=N nice=N read=PATH … write=PATH … -- PROGRAM ARGUMENT …

A launcher instead of a `preexec_fn`: the parent has threads, where code between fork and exec can hang.
What the kernel does not permit (a network namespace, Landlock) is left out; the limits always hold.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_ALL_OF_ABI_1 = (1 << 13) - 1
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_RUN = _EXECUTE | _READ_FILE | _READ_DIR
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)


def limit(kind: int, value: int) -> None:
    """Lower a resource limit to value, soft and hard, never above what this process may have."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def leave_network(libc: ctypes.CDLL) -> None:
    """Move into a network without interfaces: as root at once, else through a user namespace where that is allowed."""
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def restrict_files(libc: ctypes.CDLL, read: list[str], write: list[str]) -> None:
    """Forbid every file but the system's programs and these; forbid TCP too. Linux Landlock, from kernel 5.13."""
    abi = libc.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return
    handled = _ALL_OF_ABI_1 | (_TRUNCATE if abi >= 3 else 0)
    attributes = struct.pack("=QQ", handled, 3) if abi >= 4 else struct.pack("=Q", handled)
    ruleset = libc.syscall(_SYS_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    rules = [(path, _RUN) for path in (*_SYSTEM, *read)] + [(path, handled) for path in (*write, "/dev/null")]
    for path, rights in rules:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights & handled & (-1 if os.path.isdir(path) else _FILE_RIGHTS)  # noqa: PTH112 - pathlib costs 10 ms
            libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, handle), 0)
            os.close(handle)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def main(arguments: list[str]) -> None:
    """Confine this process as told and become the program."""
    split = arguments.index("--")
    program = arguments[split + 1 :]
    told: dict[str, list[str]] = {"read": [], "write": []}
    for word in arguments[:split]:
        name, _, value = word.partition("=")
        told.setdefault(name, []).append(value)
    libc = ctypes.CDLL(None, use_errno=True)
    leave_network(libc)
    limit(resource.RLIMIT_CPU, int(told["cpu"][0]))
    limit(resource.RLIMIT_AS, int(told["memory"][0]))
    limit(resource.RLIMIT_FSIZE, int(told["file"][0]))
    limit(resource.RLIMIT_NOFILE, int(told["open"][0]))
    limit(resource.RLIMIT_CORE, 0)
    os.nice(int(told["nice"][0]))
    restrict_files(libc, told["read"] + [program[0]], told["write"])
    # Last, because changing credentials clears it; then look whether the parent died before it was set.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(told["parent"][0]):
        sys.exit(1)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(program[0], program)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
