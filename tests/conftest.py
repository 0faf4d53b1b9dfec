"""What several tests share. Thread: control."""
from tests.jack import jack as jack
from tests.jack import recorder as recorder
