"""The operating system's calls that the file backend makes, one method each.

Nothing is decided here. It is the seam at which a test lets the n-th call fail.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path


class Disk:
    """The real file system."""

    def real_path(self, path: Path) -> Path:
        """The path with all links followed, as far as it exists."""
        return Path(os.path.realpath(path))

    def link_target(self, path: Path) -> Path | None:
        """Where a link points, None if the path is no link."""
        return path.readlink() if path.is_symlink() else None

    def token(self) -> str:
        """A name that nobody else chooses."""
        return secrets.token_hex(8)

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        """Open a file that children do not inherit; never waits for the other end of a pipe."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)

    def close(self, fd: int) -> None:
        """Close it."""
        os.close(fd)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes from `offset`; none at the end."""
        return os.pread(fd, size, offset)

    def write(self, fd: int, data: memoryview) -> int:
        """Write at the file's position, or at its end; returns how much was taken."""
        return os.write(fd, data)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        """Write at an offset; returns how much was taken."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file off."""
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        """Return when the file's bytes, and its length, survive a loss of power."""
        # macOS: fsync leaves the bytes in the drive's memory; only this call brings them further.
        if hasattr(fcntl, "F_FULLFSYNC"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
        getattr(os, "fdatasync", os.fsync)(fd)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder survive a loss of power."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            # Some network file systems cannot, and need not: they do it at once.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(fd)

    def status(self, fd: int) -> os.stat_result:
        """What is open."""
        return os.fstat(fd)

    def status_of(self, path: Path) -> os.stat_result:
        """What stands at a path, a link itself rather than its target."""
        return path.stat(follow_symlinks=False)

    def set_mode(self, fd: int, mode: int) -> None:
        """Give a file the permission bits of another."""
        os.fchmod(fd, stat.S_IMODE(mode))

    def rename(self, source: Path, target: Path) -> None:
        """Put one name in the place of another, in one step."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name that must be free."""
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """The names in a folder."""
        return [path.name for path in folder.iterdir()]

    def make_folder(self, path: Path) -> None:
        """Make one folder."""
        path.mkdir()

    def lock(self, fd: int) -> None:
        """Take the kernel's lock on an open file, or fail with BlockingIOError at once."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def give_way(self) -> None:
        """Let another process go first."""
        os.sched_yield()
