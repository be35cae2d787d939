"""Hashes a file's blocks beside whoever sends them, so that an upload is as fast as the slower of the two.

Knows nothing of files. hashlib lets other threads run while it works on a block, and so does a socket.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash

# Up to this many bytes a thread for the hash costs more than it brings.
_SMALL: Final = 1_000_000
# Where several files are sent at once, they keep all processors busy by themselves: more threads would only make them
# wait for one another. So there are as many of these as there are processors to spare, for the whole process.
_SPARE: Final = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
# Blocks that may wait to be hashed: enough to even things out, few enough to keep memory small.
_AHEAD = 8


def digest_for(size: int) -> Digest | _Hash:
    """What hashes so many bytes best: in a thread of its own, or right where they are."""
    if size > _SMALL and _SPARE.acquire(blocking=False):
        return Digest(_SPARE.release)
    return hashlib.sha256()


class Digest:
    """A sha256 that takes blocks at once and works on them in a thread of its own. `close` it, whatever happens.

    `ended` is called once its thread has ended.
    """

    def __init__(self, ended: Callable[[], None] = lambda: None) -> None:
        self._ended = ended
        self._digest = hashlib.sha256()
        # Two queues written in C instead of one bounded queue: the hand-over of a block is what this costs.
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_AHEAD):
            self._room.put(None)
        self._thread = threading.Thread(target=self._work, name="hash", daemon=True)
        self._thread.start()

    def update(self, block: bytes) -> None:
        """Take the next block; waits while too many are not hashed yet."""
        self._room.get()
        self._blocks.put(block)

    def hexdigest(self) -> str:
        """The digest of all that was taken. Nothing can be taken after that."""
        self.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Come to an end; may be called again."""
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()
            self._ended()

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)
            self._room.put(None)
