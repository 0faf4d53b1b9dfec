"""A ring between two processes: one writer, one reader, a mapped file, no lock. Thread: any (one
writer, one reader).

Layout of the file: 4 cache lines of int64 words, then the slots. Head and tail sit on separate
lines. The reader sets `limit`, how many records the writer may be ahead: that is the back-pressure.
"""
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

from engine.rt import load_acquire, rt_host, store_release

# the writer's line: records written, heartbeat ns, 1 when it has left
HEAD, BEAT, CLOSED = 0, 1, 2
# the reader's line: records read, how far ahead the writer may be
TAIL, LIMIT = 8, 9
SIZE, SLOTS = 16, 17                      # fixed at birth
WORDS = 32


@rt_host
def _writable(words):
    return words[HEAD] - load_acquire(words, TAIL) < min(words[LIMIT], words[SLOTS])


@rt_host
def _readable(words):
    return load_acquire(words, HEAD) - words[TAIL]


@rt_host
def _advance(words, index):
    store_release(words, index, words[index] + 1)


def shared_folder():
    """Where mapped files live: the system's shared memory where there is one."""
    return Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())


class Ring:
    """Fixed-size records of one numpy dtype in a mapped file.

    Ring(path, dtype, slots=n)   makes the file anew; Ring(path, dtype) opens it;
                                 path None keeps it in this process
    raises OSError when there is no such file or no room, ValueError when it is not this ring
    """

    def __init__(self, path, dtype, slots=None, limit=None):
        self.path, self.dtype = path and str(path), np.dtype(dtype)
        size = self.dtype.itemsize
        if path is None:
            self._map = mmap.mmap(-1, WORDS * 8 + slots * size)
        else:
            if slots:
                self._make(WORDS * 8 + slots * size)
            with open(self.path, "r+b") as file:
                self._map = mmap.mmap(file.fileno(), 0)
        self.words = np.frombuffer(self._map, np.int64, WORDS)
        if slots:
            self.words[[SIZE, SLOTS, LIMIT]] = size, slots, limit or slots
        self.slots = int(self.words[SLOTS])
        if int(self.words[SIZE]) != size or len(self._map) != WORDS * 8 + self.slots * size:
            raise ValueError(f"{self.path} is not a ring of {size}-byte records")
        self.rows = np.frombuffer(self._map, self.dtype, self.slots, WORDS * 8)

    def _make(self, size):
        """The file with all its room: a write into a hole kills the process when memory is full."""
        with open(self.path, "wb") as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):    # not on macOS
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as fault:
                    raise OSError(fault.errno, fault.strerror, self.path) from None

    # ---- the writer
    def slot(self):
        """The row to fill next (a view), or None while the reader is too far behind."""
        return self.rows[int(self.words[HEAD]) % self.slots] if _writable(self.words) else None

    def publish(self):
        """Hands the filled row to the reader."""
        _advance(self.words, HEAD)

    # ---- the reader
    def __len__(self):
        """Records waiting."""
        return int(_readable(self.words))

    def front(self, ahead=0):
        """The oldest unread row (a view, valid until `pop`), or the one `ahead` after it, or
        None."""
        if _readable(self.words) <= ahead:
            return None
        return self.rows[(int(self.words[TAIL]) + ahead) % self.slots]

    def pop(self):
        """Gives the oldest row's place back to the writer."""
        _advance(self.words, TAIL)

    @property
    def limit(self):
        return int(self.words[LIMIT])

    @limit.setter
    def limit(self, records):
        self.words[LIMIT] = max(1, min(int(records), self.slots))

    def unlink(self):
        """Removes the file's name; both sides keep their maps."""
        if self.path:
            Path(self.path).unlink(missing_ok=True)
