"""Runs a command with what the systemd unit takes away from it, without systemd.

python tests/confine.py UNIT WRITABLE COMMAND...

As root also with a read-only file system, except below WRITABLE, and without any capability. The lists of system calls
are systemd's own.
"""

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_EQUAL, _EQUAL_MASKED = 4, 7
_PROT_WRITE, _PROT_EXEC = 0x2, 0x4


class _Compare(ctypes.Structure):
    """What an argument of a system call has to be: libseccomp's scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def settings(unit: Path) -> dict[str, list[str]]:
    """Return what a unit file says in [Service], every value of every key."""
    found: dict[str, list[str]] = {}
    section = unit.read_text(encoding="utf-8").replace("\\\n", " ").partition("[Service]\n")[2].partition("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def allowed_calls(filters: list[str]) -> set[str]:
    """Return the system calls that some SystemCallFilter= lines leave."""
    sets = _sets()
    calls = set[str]()
    for line in filters:
        taken = {call for name in line.removeprefix("~").split() for call in _members(name, sets)}
        calls = calls - taken if line.startswith("~") else calls | taken
    return calls


def _sets() -> dict[str, list[str]]:
    command = ["systemd-analyze", "syscall-filter", "--no-pager"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = []
        elif name and line.strip() and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found


def _members(name: str, sets: dict[str, list[str]]) -> Iterator[str]:
    if not name.startswith("@"):
        yield name
        return
    for each in sets[name]:
        yield from _members(each, sets)


def confine(unit: Path, writable: Path) -> None:
    """Take away from this process, and whatever it becomes, what the unit takes away."""
    wanted = settings(unit)
    calls = allowed_calls(wanted["SystemCallFilter"])
    if os.geteuid() == 0:
        _read_only_but(writable)
        for number in range(int(_LAST_CAPABILITY.read_text()) + 1):
            _check(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    os.umask(int(wanted["UMask"][-1], 8))
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    _refuse_some(seccomp, wanted)
    _allow_only(seccomp, calls)


def _read_only_but(writable: Path) -> None:
    _check(_LIBC.unshare(_CLONE_NEWNS))
    here = str(writable).encode()
    _check(_LIBC.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    _check(_LIBC.mount(here, here, None, _MS_BIND, None))
    _check(_LIBC.mount(None, b"/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY, None))


def _refuse_some(seccomp: ctypes.CDLL, wanted: dict[str, list[str]]) -> None:
    """Refuse calls by their arguments: memory that can be written and run, and sockets of other families."""
    rules = ctypes.c_void_p(seccomp.seccomp_init(_ALLOW))
    if wanted["MemoryDenyWriteExecute"] == ["yes"]:
        both = _PROT_WRITE | _PROT_EXEC
        _rule(seccomp, rules, _REFUSE, "mmap", _Compare(2, _EQUAL_MASKED, both, both))
        for name in ("mprotect", "pkey_mprotect"):
            _rule(seccomp, rules, _REFUSE, name, _Compare(2, _EQUAL_MASKED, _PROT_EXEC, _PROT_EXEC))
    families = [getattr(socket, name) for name in wanted["RestrictAddressFamilies"][-1].split()]
    refused = set(range(64)) - {int(family) for family in families}
    for family in sorted(refused):
        _rule(seccomp, rules, _REFUSE, "socket", _Compare(0, _EQUAL, family, 0))
    _check(seccomp.seccomp_load(rules))


def _allow_only(seccomp: ctypes.CDLL, calls: set[str]) -> None:
    rules = ctypes.c_void_p(seccomp.seccomp_init(_REFUSE))
    for name in sorted(calls):
        if seccomp.seccomp_syscall_resolve_name(name.encode()) != -1:  # -1: not on this kind of machine
            _rule(seccomp, rules, _ALLOW, name)
    _check(seccomp.seccomp_load(rules))


def _rule(seccomp: ctypes.CDLL, rules: ctypes.c_void_p, action: int, name: str, *compare: _Compare) -> None:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    array = (_Compare * len(compare))(*compare)
    code = seccomp.seccomp_rule_add_array(rules, ctypes.c_uint32(action), number, len(compare), array)
    if code != 0:
        raise OSError(-code, f"{name}: {os.strerror(-code)}")


def _check(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    confine(Path(sys.argv[1]), Path(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606  (the command that the test names)
