"""libjack by ctypes (jackd's or PipeWire's): its functions, its clients, who else is there.

A server that died or is frozen may never answer: what asks it is asked on a thread of its own, and
left there. Nothing here starts a server. Thread: control.
"""
import ctypes
import functools
import os
import sys
import threading
import time
from dataclasses import dataclass

from engine.errors import DeviceError
from engine.stream_jack_callback import callbacks

CLIENT = "hiddenstage"
AUDIO, MIDI = "32 bit float mono audio", "8 bit raw midi"
INTO, FROM, PHYSICAL = 1, 2, 4                      # what a port is
NO_START, SERVER_ERROR = 1, 0x20
PATIENCE_S, PLAYBACK_LATENCY = 3.0, 1
BUSY_S = (0.3, 1.0)                 # a server without time fails to take a client: asked again
FILES = {"darwin": ("libjack.0.dylib", "libjack.dylib", "/usr/local/lib/libjack.dylib",
                    "/opt/homebrew/lib/libjack.dylib"),
         "win32": ("libjack64.dll", "libjack.dll")}
NAMES = ctypes.POINTER(ctypes.c_char_p)
WORD, TEXT, INT, U32, VOID = (ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32,
                              None)
FUNCTIONS = {
    "client_open": (WORD, TEXT, INT, WORD), "client_close": (INT, WORD),
    "get_client_name": (TEXT, WORD), "activate": (INT, WORD), "deactivate": (INT, WORD),
    "get_sample_rate": (U32, WORD), "get_buffer_size": (U32, WORD),
    "port_register": (WORD, WORD, TEXT, TEXT, WORD, WORD), "port_by_name": (WORD, WORD, TEXT),
    "port_flags": (INT, WORD), "port_type": (TEXT, WORD), "port_name_size": (INT,),
    "port_get_aliases": (INT, WORD, NAMES), "port_connected_to": (INT, WORD, TEXT),
    "port_get_latency_range": (VOID, WORD, INT, WORD),
    "get_ports": (NAMES, WORD, TEXT, TEXT, WORD), "connect": (INT, WORD, TEXT, TEXT),
    "free": (VOID, ctypes.c_void_p),
    "set_error_function": (VOID, WORD), "set_info_function": (VOID, WORD),
    "set_process_callback": (INT, WORD, WORD, WORD), "set_xrun_callback": (INT, WORD, WORD, WORD),
    "set_port_registration_callback": (INT, WORD, WORD, WORD),
    "on_shutdown": (VOID, WORD, WORD, WORD)}
CALLED = ("port_get_buffer", "midi_clear_buffer", "midi_event_write", "midi_get_event_count",
          "midi_event_get")


@dataclass(frozen=True)
class Port:
    """A port of some client. `takes`: sound or messages go into it; else they come from it."""
    name: str
    midi: bool
    takes: bool
    physical: bool
    aliases: tuple = ()


class Library:
    """The functions of libjack without their "jack_"; `addresses` are what the callback calls."""

    def __init__(self, loaded):
        for name, (result, *arguments) in FUNCTIONS.items():
            function = getattr(loaded, f"jack_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.loaded = loaded
        self.addresses = [self.address_of(name) for name in CALLED]

    def address_of(self, name):
        return ctypes.cast(getattr(self.loaded, f"jack_{name}"), ctypes.c_void_p).value


@functools.cache
def library():
    """The Library, or None where there is none."""
    for file in FILES.get(sys.platform, ("libjack.so.0", "libjack.so")):
        try:
            return Library(ctypes.CDLL(file))
        except (OSError, AttributeError):
            continue
    return None


def quiet():
    """JACK's complaints about servers that are not there stay off the terminal."""
    text = callbacks()[-1]
    library().set_error_function(text)
    library().set_info_function(text)


def patiently(function, late=None):
    """What function() returns.

    late  called with the answer that came after nobody waited any more
    raises DeviceError  without an answer in PATIENCE_S
    """
    answer, lock, gone = [], threading.Lock(), threading.Event()

    def ask():
        found = function()
        with lock:
            answer.append(found)
            if gone.is_set() and late:
                late(found)

    thread = threading.Thread(target=ask, daemon=True, name="ask JACK")
    thread.start()
    thread.join(PATIENCE_S)
    with lock:
        if not answer:
            gone.set()
            raise DeviceError("JACK does not answer; restart its server, or choose another sound "
                              "device with --audio")
    return answer[0]


def open_client(name=CLIENT):
    """A new client, not yet active.

    raises DeviceError  no libjack, no server, or none that answers
    """
    jack = library()
    if jack is None:
        raise DeviceError("no libjack on this machine; install jackd2 or pipewire-jack")
    quiet()
    status = ctypes.c_int(0)
    for wait_s in (0.0, *BUSY_S):
        time.sleep(wait_s)
        client = patiently(
            lambda: jack.client_open(name.encode(), NO_START, ctypes.addressof(status)),
            lambda late: late and jack.client_close(late))
        if client or not status.value & SERVER_ERROR:
            break
    if not client:
        server = os.environ.get("JACK_DEFAULT_SERVER")
        raise DeviceError("no JACK server " + (f"named {server!r} " if server else "")
                          + "is running; start one (jackd, QjackCtl, PipeWire), or choose another "
                          f"sound device with --audio (JACK's status {status.value:#x})")
    return client


def names_of(client, kind="", flags=0, fits=""):
    """The names of the ports of this kind and these flags, in JACK's order."""
    found = library().get_ports(client, fits.encode(), kind.encode(), flags)
    if not found:
        return []
    names, index = [], 0
    while found[index]:
        names.append(found[index].decode(errors="replace"))
        index += 1
    library().free(found)
    return names


def aliases_of(client, name):
    """The other names of a port: a bridge calls a device's port by a number, and so its alias."""
    jack = library()
    port = jack.port_by_name(client, name.encode())
    if not port:
        return ()
    rooms = [ctypes.create_string_buffer(jack.port_name_size()) for _ in range(2)]
    count = jack.port_get_aliases(
        port, (ctypes.c_char_p * 2)(*(ctypes.addressof(room) for room in rooms)))
    return tuple(room.value.decode(errors="replace") for room in rooms[:max(count, 0)])


def playback_frames(client, name):
    """How long a port's sound is on its way to the loudspeaker, frames."""
    span, port = (ctypes.c_uint32 * 2)(), library().port_by_name(client, name.encode())
    if port:
        library().port_get_latency_range(port, PLAYBACK_LATENCY, ctypes.addressof(span))
    return int(span[1])


def ports():
    """Every port of the server's, for lists and near names.

    raises DeviceError  no libjack, no server
    """
    client, jack = open_client(f"{CLIENT}-look"), library()
    try:
        return list(_describe(client, jack))
    finally:
        patiently(lambda: jack.client_close(client))


def _describe(client, jack):
    for name in names_of(client):
        port = jack.port_by_name(client, name.encode())
        if port:
            flags, kind = jack.port_flags(port), jack.port_type(port).decode()
            yield Port(name, kind == MIDI, bool(flags & INTO), bool(flags & PHYSICAL),
                       aliases_of(client, name))
