"""PortAudio through sounddevice's own cffi handle: the one file that knows its private names.

PortAudio lists devices once, when it starts, and cannot leave a JACK server that died: closing a
stream waits ten minutes, terminating aborts the process. So an instance that has met JACK, or has
streams, is left behind as it is, and a fresh one is loaded from a copy of its file.
Thread: control.
"""
import atexit
import contextlib
import ctypes
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

from engine.errors import DeviceError, suggestion

JACK = "JACK Audio Connection Kit"
PATIENCE_S, START_S = 3.0, 10.0           # of a device; of PortAudio itself


@dataclass(frozen=True)
class Device:
    """Something that can sound. `default` marks the one used when none is named."""
    index: int
    name: str
    host: str
    channels: int
    rate_hz: float
    latency_s: float
    default: bool


@functools.cache
def _sounddevice():
    """The sounddevice module, or a DeviceError that says what to install."""
    try:
        import sounddevice
    except (OSError, ImportError) as error:
        mac = sys.platform == "darwin"
        how = "brew install portaudio" if mac else "apt-get install libportaudio2"
        raise DeviceError(f"no sound: the PortAudio library is missing; {how}") from error
    atexit.unregister(sounddevice._exit_handler)    # it terminates blindly
    return sounddevice


@contextlib.contextmanager
def _quiet():
    """PortAudio and JACK complain on the file descriptor of stderr while they look for devices."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _file():
    """Where the loaded PortAudio library lies."""
    name = _sounddevice()._libname
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            found = [line.split(None, 5)[-1].strip() for line in maps if "libportaudio" in line]
        name = next((path for path in found if os.path.exists(path)), name)
    return name


class Instance:
    """One loaded PortAudio with its list of devices. `streams` counts those never closed."""

    def __init__(self, lib):
        self.lib, self.ffi, self.streams = lib, _sounddevice()._ffi, 0

    @property
    def closable(self):
        """True when it may be terminated."""
        hosts = (self.lib.Pa_GetHostApiInfo(i) for i in range(self.lib.Pa_GetHostApiCount()))
        return not self.streams and JACK not in (self.ffi.string(h.name).decode() for h in hosts)

    def check(self, code, name):
        """Raises when PortAudio says no."""
        if code < 0:
            text = self.ffi.string(self.lib.Pa_GetErrorText(code)).decode()
            raise DeviceError(f"sound device {name!r}: {text.lower()}; see ./stage devices")
        return code

    def devices(self):
        default, found = self.lib.Pa_GetDefaultOutputDevice(), []
        for index in range(max(self.lib.Pa_GetDeviceCount(), 0)):
            info = self.lib.Pa_GetDeviceInfo(index)
            if info.maxOutputChannels > 0:
                host = self.lib.Pa_GetHostApiInfo(info.hostApi)
                name = self.ffi.string(info.name).decode(errors="replace")
                found.append(Device(index, name, self.ffi.string(host.name).decode(),
                                    info.maxOutputChannels, info.defaultSampleRate,
                                    info.defaultLowOutputLatency, index == default))
        return found


def _patiently(function, name, patience_s=PATIENCE_S):
    """What function() returns; a call that a dead server never answers is left on its thread.

    raises DeviceError  after patience_s
    """
    answer = []

    def ask():
        try:
            answer.append((function(), None))
        except DeviceError as error:
            answer.append((None, error))

    thread = threading.Thread(target=ask, daemon=True, name="ask device")
    thread.start()
    thread.join(patience_s)
    if not answer:
        raise DeviceError(f"sound device {name!r} does not answer; choose another with --audio")
    if answer[0][1]:
        raise answer[0][1]
    return answer[0][0]


class Output:
    """An open PortAudio output whose callback is compiled code.

    raises DeviceError  the device refuses the rate or the channels, or is gone
    """
    block, lost = None, False             # what only a JACK client knows

    def __init__(self, instance, device, channels, rate_hz, block, callback_address, user):
        self.instance, self.device = instance, device
        ffi, lib = instance.ffi, instance.lib
        callback = ffi.cast("PaStreamCallback*", callback_address)
        slot = ffi.new("PaStream**")

        def ask(width):
            wish = ffi.new("PaStreamParameters*", dict(
                device=device.index, channelCount=width, sampleFormat=lib.paFloat32,
                suggestedLatency=device.latency_s))
            return lib.Pa_OpenStream(slot, ffi.NULL, wish, float(rate_hz), block or 0, lib.paNoFlag,
                                     callback, ffi.cast("void*", user))

        instance.streams += 1                       # until it is known to be closed
        for self.width in dict.fromkeys((min(channels, device.channels), device.channels)):
            code = _patiently(functools.partial(ask, self.width), device.name)
            if code != lib.paInvalidChannelCount:
                break
        instance.streams -= code < 0
        if code == lib.paInvalidSampleRate:
            raise DeviceError(f"sound device {device.name!r} does not run at {rate_hz:g} Hz; "
                              f"its own rate is {device.rate_hz:g} Hz")
        instance.check(code, device.name)
        self.stream = slot[0]
        self.latency_s = lib.Pa_GetStreamInfo(self.stream).outputLatency

    def _ask(self, function):
        return _patiently(lambda: function(self.stream), self.device.name)

    def start(self):
        self.instance.check(self._ask(self.instance.lib.Pa_StartStream), self.device.name)

    def stop(self):
        """Ends the calls; drops what the device's buffer holds. Raises DeviceError when lost."""
        self._ask(self.instance.lib.Pa_AbortStream)

    def close(self):
        """Gives the device back. Raises DeviceError when it does not answer: then call `leave`."""
        self._ask(self.instance.lib.Pa_CloseStream)
        self.instance.streams -= 1

    def leave(self):
        """Closes a lost device where that comes back; a dead JACK's stream stays open for good."""
        if self.device.host != JACK:
            with contextlib.suppress(DeviceError):
                self.close()


class House:
    """The present PortAudio instance of this process, renewed when devices come and go.

    JACK's threads run in an instance that was left behind, so none is ever unloaded: cffi unloads
    what nobody refers to, ctypes never does.
    """

    def __init__(self):
        self.lock, self.present = threading.RLock(), None

    def instance(self):
        with self.lock:
            if self.present is None:
                self.present = Instance(_sounddevice()._lib)
                ctypes.CDLL(_file())
            return self.present

    def renew(self):
        """Looks for devices again; what plays keeps its own instance."""
        with self.lock, _quiet():
            old = self.instance()
            if old.closable:
                old.lib.Pa_Terminate()
                fresh = old
            else:
                file = _file()
                with tempfile.NamedTemporaryFile(suffix=os.path.basename(file)) as copy:
                    shutil.copyfile(file, copy.name)
                    fresh = Instance(_sounddevice()._ffi.dlopen(copy.name))
                    ctypes.CDLL(copy.name)
            fresh.streams += 1                            # not closable while it may still start
            code = _patiently(fresh.lib.Pa_Initialize, "PortAudio", START_S)
            fresh.streams -= 1
            fresh.check(code, "PortAudio")
            self.present = fresh
            return fresh

    def chosen(self, name):
        """(device, its instance) of a name; looks again before it says that there is none.

        raises DeviceError  as `choose`
        """
        try:
            return choose(name, self.instance().devices()), self.instance()
        except DeviceError:
            fresh = self.renew()
            return choose(name, fresh.devices()), fresh

    def close(self):
        """At exit: terminates what may be."""
        if self.present and self.present.closable:
            self.present.lib.Pa_Terminate()


HOUSE = House()
atexit.register(HOUSE.close)
PROBE = """
import json, sounddevice
print(json.dumps([d["name"] for d in sounddevice.query_devices() if d["max_output_channels"]]))
"""


def devices(fresh=False):
    """Every output device; `fresh` looks again for what was plugged in meanwhile.

    raises DeviceError  when PortAudio is not installed
    """
    return (HOUSE.renew() if fresh else HOUSE.instance()).devices()


def names_now():
    """The names of the output devices as a new process sees them; none when that fails."""
    line = sys.executable, "-c", PROBE
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []


def choose(name, found):
    """The device whose name is, or holds, `name`, or whose number it is; the default one for None.

    raises DeviceError  none fits, or there is none at all
    """
    if not found:
        raise DeviceError("no sound device found; `render` writes a file, `play --audio null` "
                          "needs no device, ./stage doctor tells more")
    if name is None:
        return next((d for d in found if d.default), found[0])
    wanted = str(name).strip().lower()
    fits = ([d for d in found if wanted == d.name.lower() or wanted == str(d.index)]
            or [d for d in found if wanted and wanted in f"{d.name}, {d.host}".lower()])
    if not fits:
        raise DeviceError(f"no sound device {name!r}{suggestion(name, [d.name for d in found])}")
    return fits[0]
