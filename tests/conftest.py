"""What several tests share. Thread: control."""
import pytest

from tests.jack import jack as jack
from tests.jack import recorder as recorder

# What plays in real time: one after the other in one process, while the rest runs in another
LIVE = ("bench.test_callback", "bench.test_clock", "bench.test_follow", "bench.test_osc",
        "engine.model.test_worker", "engine.test_connections", "engine.test_direction_set",
        "engine.test_session", "engine.test_stream", "engine.test_view", "engine.test_why",
        "engine.wires", "test_listen")


@pytest.hookimpl(tryfirst=True)       # before xdist reads the groups
def pytest_collection_modifyitems(items):
    for item in items:
        name = item.path.relative_to(item.config.rootpath / "tests").with_suffix("").as_posix()
        live = name.replace("/", ".").startswith(LIVE)
        item.add_marker(pytest.mark.xdist_group("live" if live else name))
