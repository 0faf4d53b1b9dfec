"""Sound devices by name, and what is said when there is none."""
import sys
import threading

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


def test_a_portaudio_that_does_not_start_is_left_and_not_terminated(monkeypatch):
    """As when JACK hangs: whoever looked for devices goes on."""
    started = threading.Event()

    class Lib:
        Pa_Terminate = staticmethod(lambda: 0)
        Pa_GetHostApiCount = staticmethod(lambda: 0)
        Pa_Initialize = staticmethod(lambda: started.wait() and 0)
    house = portaudio.House()
    house.present = portaudio.Instance(Lib)
    monkeypatch.setattr(portaudio, "START_S", 0.2)
    with pytest.raises(DeviceError, match="'PortAudio' does not answer"):
        house.renew()
    assert not house.present.closable
    started.set()
