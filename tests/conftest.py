"""What several tests share. Thread: control."""
import pytest

from tests.jack import jack as jack
from tests.jack import recorder as recorder

# What plays in real time: `./stage test` runs it one after the other, and the rest beside it
LIVE = ("bench.test_callback", "bench.test_clock", "bench.test_follow", "bench.test_osc",
        "engine.model.test_worker", "engine.test_connections", "engine.test_direction_set",
        "engine.test_session", "engine.test_stream", "engine.test_view", "engine.test_why",
        "engine.wires", "test_listen")


@pytest.hookimpl(tryfirst=True)       # before -m looks
def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(item.config.rootpath / "tests").with_suffix("")
        if ".".join(path.parts).startswith(LIVE):
            item.add_marker("live")
