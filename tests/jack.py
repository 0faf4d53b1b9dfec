"""A fixture: a JACK server that PortAudio lists as a sound device. Thread: control."""
import pytest

from bench.jack import JackServer


@pytest.fixture
def jack():
    """A running server on a dummy device; skips where jackd is not installed."""
    if reason := JackServer.missing():
        pytest.skip(reason)
    server = JackServer().start()
    yield server
    server.close()
