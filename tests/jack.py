"""A JACK server that PortAudio lists as a device, and an ear on its wires. Thread: control."""
import ctypes

import numpy as np
import pytest
from numba import carray, cfunc, types

from bench.jack import BLOCK, JackServer
from engine.rt import pointer

AUDIO, FROM, INTO = b"32 bit float mono audio", 2, 1
SPACE = 4096                              # blocks a recorder has room for


@pytest.fixture
def jack():
    """A running server on a dummy device; skips where jackd is not installed."""
    if reason := JackServer.missing():
        pytest.skip(reason)
    server = JackServer(real_time=True).start()
    yield server
    server.close()


def _functions():
    word, library = ctypes.c_size_t, ctypes.CDLL("libjack.so.0")
    kinds = {"jack_client_open": (word, ctypes.c_char_p, ctypes.c_int, word),
             "jack_port_register": (word, word, ctypes.c_char_p, ctypes.c_char_p, word, word),
             "jack_port_get_buffer": (word, word, ctypes.c_uint32),
             "jack_set_process_callback": (ctypes.c_int, word, word, word),
             "jack_activate": (ctypes.c_int, word), "jack_client_close": (ctypes.c_int, word),
             "jack_get_ports": (ctypes.POINTER(ctypes.c_char_p), word, ctypes.c_char_p,
                                ctypes.c_char_p, word),
             "jack_connect": (ctypes.c_int, word, ctypes.c_char_p, ctypes.c_char_p)}
    for name, (result, *arguments) in kinds.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Recorder:
    """A JACK client whose compiled callback keeps what arrives at its one input."""

    def __init__(self):
        self._jack, self.state = _functions(), np.zeros(4, np.int64)
        self.sound = np.zeros((SPACE, BLOCK), np.float32)
        get_buffer = self._jack.jack_port_get_buffer

        @cfunc(types.int32(types.uint32, types.voidptr))
        def listen(frames, user):
            state = carray(user, (4,), np.int64)
            if state[1] < SPACE:
                source = carray(pointer(np.int64(get_buffer(np.uint64(state[0]), frames))),
                                (BLOCK,), np.float32)
                target = carray(pointer(state[2] + state[1] * BLOCK * 4), (BLOCK,), np.float32)
                for i in range(BLOCK):
                    target[i] = source[i]
                state[1] += 1
            return np.int32(0)

        self._listen = listen
        self.client = self._jack.jack_client_open(b"ear", 1, 0)
        self.state[0] = self._jack.jack_port_register(self.client, b"in", AUDIO, INTO, 0)
        self.state[2] = self.sound.ctypes.data
        self._jack.jack_set_process_callback(self.client, listen.address, self.state.ctypes.data)
        self._jack.jack_activate(self.client)

    def connect(self, port):
        """Listens to the first output whose name fits the regular expression."""
        names = self._jack.jack_get_ports(self.client, port, AUDIO, FROM)
        assert names and self._jack.jack_connect(self.client, names[0], b"ear:in") == 0

    def heard(self):
        """(blocks, 128) float32: every block that was not silence."""
        blocks = self.sound[:self.state[1]]
        return blocks[blocks.any(axis=1)].copy()

    def close(self):
        self._jack.jack_client_close(self.client)


@pytest.fixture
def recorder(jack):
    """An ear that is already listening to the test's server."""
    ear = Recorder()
    yield ear
    ear.close()
