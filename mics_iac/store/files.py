"""Whole reads, whole writes and the kernel's lock, over the calls of a Disk. Raises OSError, as the calls do."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mics_iac.errors import StoreFailed
from mics_iac.store.disk import Disk

_BLOCK = 1 << 20
# What a kernel answers when a file system has no locks. EBADF: a network folder wants the file open for writing.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF}


@contextlib.contextmanager
def opened(disk: Disk, path: Path, flags: int, mode: int = 0o644) -> Iterator[int]:
    """A file that is open meanwhile; a link in its place is an error. `mode` is that of one that is made."""
    fd = disk.open(path, flags | os.O_NOFOLLOW, mode)
    try:
        yield fd
    finally:
        close(disk, fd)


def close(disk: Disk, fd: int) -> None:
    """Close a file. What that may complain about is of no interest: what was to last was made durable before."""
    with contextlib.suppress(OSError):
        disk.close(fd)


def read_all(disk: Disk, fd: int) -> bytes:
    """All bytes of an open file."""
    blocks: list[bytes] = []
    offset = 0
    while block := disk.read(fd, _BLOCK, offset):
        blocks.append(block)
        offset += len(block)
    return b"".join(blocks)


def read_file(disk: Disk, path: Path) -> bytes | None:
    """A file's bytes, None if there is none. Raises StoreFailed for what is neither file nor folder."""
    try:
        with opened(disk, path, os.O_RDONLY) as fd:
            mode = disk.status(fd).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(mode):
                raise StoreFailed(f"{path} is no regular file", remedy="correct the path of the state")
            return read_all(disk, fd)
    except FileNotFoundError:
        return None


def write_all(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of it and return when it is durable; a write that was cut short goes on, or fails."""
    left = memoryview(data)
    while left:
        taken = disk.write(fd, left)
        if taken <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = left[taken:]
    disk.sync(fd)


def status_at(disk: Disk, path: Path) -> os.stat_result | None:
    """What stands at a path, None for nothing."""
    try:
        return disk.status_of(path)
    except FileNotFoundError:
        return None


def try_lock(disk: Disk, fd: int) -> bool | None:
    """Take the kernel's lock on an open file: True if it is ours, False if another has it, None if there is no such."""
    try:
        disk.lock(fd)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True
