"""A JACK server that loses nothing on a busy machine, for messages that are counted. Thread:
control."""
import pytest

from bench.jack import JackServer


@pytest.fixture
def jack():
    """In place of the one of all tests; skips where jackd is not installed."""
    if reason := JackServer.missing():
        pytest.skip(reason)
    server = JackServer(block=256, real_time=True).start()
    yield server
    server.close()
