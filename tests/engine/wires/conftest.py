"""A JACK server that loses nothing on a busy machine, for messages that are counted. Thread:
control."""
import pytest

from bench.jack import JackServer

# For tests that kill a client: a server that waits for one never notices
DIES = pytest.mark.parametrize("jack", [{"waits": False}], indirect=True, ids=["a-client-dies"])


@pytest.fixture
def jack(request):
    """In place of the one of all tests; skips where jackd is not installed.

    It waits for its clients: one that does not hands out a cycle's messages again and again while
    it catches up on what it missed when its core was taken away."""
    if reason := JackServer.missing():
        pytest.skip(reason)
    options = {"waits": True} | getattr(request, "param", {})
    server = JackServer(block=256, real_time=True, **options).start()
    yield server
    server.close()
