"""Sound devices by name, and what is said when there is none."""
import sys

import pytest

from engine import stream_portaudio as portaudio
from engine.errors import DeviceError

FOUND = [portaudio.Device(k, name, host, 2, 48000.0, 0.01, k == 1) for k, (name, host) in enumerate(
    [("HDMI 0", "ALSA"), ("default", "ALSA"), ("Scarlett 2i2 USB", "ALSA"),
     ("system", portaudio.JACK)])]


@pytest.mark.parametrize(("name", "index"), [(None, 1), ("scarlett", 2), ("HDMI 0", 0), ("2", 2),
                                             ("jack", 3)])
def test_choose(name, index):
    assert portaudio.choose(name, FOUND).index == index


def test_choose_refuses():
    with pytest.raises(DeviceError, match="did you mean 'Scarlett 2i2 USB'"):
        portaudio.choose("Scarlet 2i2 UBS", FOUND)
    with pytest.raises(DeviceError, match="no sound device found"):
        portaudio.choose(None, [])
    with pytest.raises(DeviceError, match="no sound device ''"):
        portaudio.choose("", FOUND)


def test_without_portaudio(monkeypatch):
    portaudio._sounddevice.cache_clear()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="PortAudio library is missing"):
        portaudio.House().instance()
    monkeypatch.undo()
    portaudio._sounddevice.cache_clear()
