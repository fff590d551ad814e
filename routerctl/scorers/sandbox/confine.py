"""This process -> one that opens few files, changes only its folder, starts no process and reaches no network.

The kernel holds it to that, whatever the code does, and for good. Landlock says which files can be opened
(https://docs.kernel.org/userspace-api/landlock.html), a seccomp filter which system calls fail
(https://docs.kernel.org/userspace-api/seccomp_filter.html); neither needs a privilege, a namespace or a helper program,
so both hold in containers, too. What a system cannot hold, `not_held` says. It imports no part of the package.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# --- files: Landlock --------------------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same number on every architecture
_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
_OF_FILES = 1 << 0 | _READ_FILE | _WRITE_FILE | _TRUNCATE  # what may be asked of something that is no folder
_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # rights on files by version of Landlock; later ones have no more
_EXECUTE, _DEVICES = 1 << 0 | 1 << 15, 1 << 6 | 1 << 11  # never given: to run a file, to make a device
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store")
_ZONES = ("/usr/share/zoneinfo", "/etc/localtime")
_SOURCES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def readable() -> list[str]:
    """Name what may be read beside the folder: Python with its packages, the system's libraries, the time zones."""
    roots = tuple(f"{root}{os.sep}" for root in {sys.prefix, sys.base_prefix, sys.exec_prefix})
    # Not what a .pth file adds, which may be somebody's project with its keys.
    installed = [
        path for path in sys.path if path.startswith(roots) or path.endswith(("site-packages", "dist-packages"))
    ]
    return [*installed, f"{sys.base_prefix}/lib", *_LIBRARIES, *_ZONES, *_SOURCES]


def confine_files(folder: str) -> None:
    """Let this process open nothing but what is `readable`, and change nothing but what is in a folder.

    Raises: OSError where the kernel has it and will not do it.
    """
    version = _landlock_version()
    if not version:
        return
    import ctypes

    handled = (1 << _KNOWN.get(version, 16)) - 1
    network, scoped = 3 if version >= 4 else 0, 3 if version >= 6 else 0  # TCP; abstract sockets and signals
    attributes = struct.pack("=QQQ", handled, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _call(_CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)
    try:
        for path in readable():
            _allow(rules, path, (_READ_FILE | _READ_DIR | (_WRITE_FILE if path == "/dev/null" else 0)) & handled)
        _allow(rules, folder, handled & ~_EXECUTE & ~_DEVICES)
        _no_new_privileges()
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    import ctypes

    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # no such place here
        return
    try:
        rights &= ~0 if Path(path).is_dir() else _OF_FILES
        _call(_ADD_RULE, rules, 1, ctypes.c_char_p(struct.pack("=Qi", rights, place)), 0)
    finally:
        os.close(place)


def _landlock_version() -> int:
    """Give the version of Landlock that this kernel has and lets us use; 0: none."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


# --- system calls: seccomp --------------------------------------------------------------------------------------------

# Numbers from the kernel's tables: x86-64 has its own, arm64 and riscv64 share the generic one; -1: there is none.
_X86_64, _GENERIC = 0, 1
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _GENERIC), "riscv64": (0xC00000F3, _GENERIC)}
_REFUSED = {
    "fork": (57, -1),
    "vfork": (58, -1),
    "execve": (59, 221),
    "execveat": (322, 281),  # processes
    "setsid": (112, 157),
    "setpgid": (109, 154),  # out of the group that is ended with us
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),  # network, other programs' sockets
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),  # what would stay behind
}  # fmt: skip - by kind
# Landlock does not know these, and a path tells the filter nothing: they do nothing and say all is well, so that
# `shutil.copy` works in the folder and changes no mode, owner or date outside.
_PRETENDED = {
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
}  # fmt: skip - by kind
_ON_ITSELF = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)}
_CLONE, _CLONE3, _PRLIMIT, _FCNTL, _SOCKETPAIR, _TRUNCATE_PATH = (
    (56, 220),
    (435, 435),
    (302, 261),
    (72, 25),
    (53, 199),
    (76, 45),
)
_CLONE_THREAD, _STREAM, _SOCKET_KIND = 0x10000, 1, 0xF
_OWNER_OF_SIGNALS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: whom the kernel sends signals
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data, low halves of arguments
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _SET_DUMPABLE, _FILTER = 38, 22, 4, 2

Instruction = tuple[int, int, int, int]  # code, skip if true, skip if false, value


def confine_calls() -> None:
    """Let this process and its threads start no other process, reach no network, and signal or look into nobody.

    Raises: OSError where the kernel has it and will not do it.
    """
    if not _filters():
        return
    import ctypes

    _drop_capabilities()
    _no_new_privileges()
    program = b"".join(struct.pack("=HBBI", *one) for one in _program(*_MACHINES[platform.machine()], os.getpid()))
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    _prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(head))


def _program(architecture: int, column: int, pid: int) -> Iterator[Instruction]:
    """Write the filter; another architecture's calls, which have other numbers, end the process."""
    yield from [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    yield (_LOAD, 0, 0, _NUMBER)
    if column == _X86_64:  # the x32 numbers of the same calls
        yield from [(_AT_LEAST, 0, 1, 0x40000000), _error(errno.EPERM)]
    for number in (numbers[column] for numbers in _REFUSED.values()):
        yield from _when(number, [_error(errno.EPERM)])
    for number in (numbers[column] for numbers in _PRETENDED.values()):
        yield from _when(number, [_error(0)])
    yield from _when(_CLONE3[column], [_error(errno.ENOSYS)])  # its flags stand in memory: C libraries then use clone
    threads = [(_LOAD, 0, 0, _FIRST), (_ANY_BIT, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW), _error(errno.EPERM)]
    yield from _when(_CLONE[column], threads)
    for numbers in _ON_ITSELF.values():
        yield from _when(numbers[column], _unless_first(pid))
    yield from _when(_PRLIMIT[column], _unless_first(0, pid))
    owning = [(_EQUAL, 0, 1, command) for command in _OWNER_OF_SIGNALS]
    refused = [part for one in owning for part in (one, _error(errno.EPERM))]
    yield from _when(_FCNTL[column], [(_LOAD, 0, 0, _SECOND), *refused, (_RETURN, 0, 0, _ALLOW)])
    # A pair of datagram sockets could be sent anywhere.
    stream = [(_LOAD, 0, 0, _SECOND), (_AND, 0, 0, _SOCKET_KIND), (_EQUAL, 0, 1, _STREAM), (_RETURN, 0, 0, _ALLOW)]
    yield from _when(_SOCKETPAIR[column], [*stream, _error(errno.EPERM)])
    if 0 < _landlock_version() < 3:
        yield from _when(_TRUNCATE_PATH[column], [_error(errno.EPERM)])
    yield (_RETURN, 0, 0, _ALLOW)


def _error(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _when(number: int, then: list[Instruction]) -> list[Instruction]:
    return [] if number < 0 else [(_EQUAL, 0, len(then), number), *then]


def _unless_first(*allowed: int) -> list[Instruction]:
    passes = [part for one in allowed for part in ((_EQUAL, 0, 1, one), (_RETURN, 0, 0, _ALLOW))]
    return [(_LOAD, 0, 0, _FIRST), *passes, _error(errno.EPERM)]


def _drop_capabilities() -> None:
    """Give up what root may do beyond the owner of its files."""
    import ctypes

    header, none = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).capset(ctypes.c_char_p(header), ctypes.c_char_p(none)):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _filters() -> bool:
    """Tell whether this kernel has filters and we know its numbers."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return False
    import ctypes

    # A filter that is nowhere is refused as a bad address where there are filters at all: prctl(2).
    return (
        ctypes.CDLL(None, use_errno=True).prctl(_SET_SECCOMP, _FILTER, None, 0, 0) != 0
        and ctypes.get_errno() == errno.EFAULT
    )


# --- both -------------------------------------------------------------------------------------------------------------


def not_held() -> list[str]:
    """Say what this system cannot keep code in a child from; nothing where all of it holds."""
    files = [] if _landlock_version() else ["read and change your files"]
    calls = [] if _filters() else ["reach the network", "leave processes behind"]
    return [*files, *calls]


def hide_memory() -> None:
    """Let no process of the same user look into this one's memory."""
    if sys.platform == "linux":
        _prctl(_SET_DUMPABLE, 0, None)


def _no_new_privileges() -> None:
    _prctl(_SET_NO_NEW_PRIVS, 1, None)


def _prctl(option: int, value: int, pointer: Any) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, pointer, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _call(number: int, *arguments: Any) -> int:
    import ctypes

    result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return int(result)
