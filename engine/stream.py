"""Back ends: JACK by our own client, a sound device through PortAudio, or Null; compiled code calls
the rig in each.

The keeper thread goes on at wall rate while no device calls, so the transport never stops; a
watcher thread only closes lost devices, looks for their return, and asks for real-time priority.
Thread: control.
"""
import atexit
import threading
import time
import weakref

import numpy as np

from engine import stream_callback as layout
from engine.errors import DeviceError
from engine.jack import library
from engine.priority import promote as promote
from engine.stream_jack import NAME as JACK_NAME
from engine.stream_jack import JackOutput
from engine.stream_portaudio import HOUSE, JACK, Output, choose, names_now
from engine.stream_portaudio import devices as devices
from engine.stream_wires import Backlog, Wires

NULL = "null"
NULL_FRAMES, SCRATCH_FRAMES = 128, 4096
GRACE_S, LOST_S, LOOK_S, RETRY_S = 0.1, 0.5, 0.1, (0.5, 1.0, 2.0, 4.0)
_ALIVE = weakref.WeakSet()
_LEFT = []                                # what abandoned streams may still point at


class Stream:
    """The rig, being called. Made by `open_stream`; `stop` and `close` may be called again.

    device_name  what it was opened on, "null" for none
    latency_s    from a computed block to the loudspeaker
    scheduling   what the system granted the audio thread
    carries_midi True when the audio callback itself sends and receives the MIDI of `wires`
    returns      how often a lost device came back: followers have missed what was sent meanwhile
    messages     [(monotonic s, one line)], newest last
    """

    def __init__(self, process_address, rig_pointer, channels, rate_hz, device, block, wires=None):
        self.block, self.channels, self.rate_hz = block, channels, rate_hz
        self.wires, self.returns = wires or Wires(), 0
        self._backlog, self._own_jack = None, False
        self._scratch = np.zeros(max(SCRATCH_FRAMES, block or 0) * channels, np.float32)
        self.words = layout.new_words(process_address, rig_pointer, channels, rate_hz,
                                      self._scratch)
        self.words[layout.NULL_FRAMES] = block or NULL_FRAMES
        self.messages, self.scheduling = [], "not started"
        self.wish, self.device_name = device, NULL
        self._lock, self._leaving = threading.RLock(), threading.Event()
        self._output = self._keeper = self._watcher = None
        self._closed = False
        self.latency_s = (block or NULL_FRAMES) / rate_hz
        if device != NULL:
            self._open(self._wished(device))
        self.words[layout.STOP] = 1
        layout.keep(self.words)                         # compiled aside, before it may sound
        _ALIVE.add(self)

    # ---- the device
    def _wished(self, name):
        """The output that a name means; PortAudio's JACK only where libjack is not to be had."""
        if str(name).strip().lower() == JACK_NAME and library():
            return self._jack(JACK_NAME)
        return self._output_on(*HOUSE.chosen(name))

    def _jack(self, name):
        return JackOutput(name, self.channels, self.rate_hz, self.words, self.wires, self._say)

    def _output_on(self, device, instance):
        if device.host == JACK and library():
            return self._jack(device.name)
        return Output(instance, device, self.channels, self.rate_hz, self.block,
                      layout.device_callback().address, self.words.ctypes.data)

    def _open(self, output):
        words, jack = self.words, output.device.host == JACK
        words[layout.WIDTH], words[layout.SKIPS] = output.width, jack
        block_s = (output.block or self.block or NULL_FRAMES) / self.rate_hz
        words[layout.SLACK_NS] = 0 if jack else int(output.latency_s * 1e9)
        words[layout.GRACE_NS] = int(1e9 * max(GRACE_S, 4 * output.latency_s, 16 * block_s))
        words[layout.THREAD] = 0
        if output.block and self.block not in (None, output.block):
            self._say(f"JACK calls for {output.block} frames, not {self.block}: set its own period")
        self.block = output.block or self.block
        self._output, self.latency_s = output, output.latency_s
        self._own_jack = isinstance(output, JackOutput)
        self.device_name = output.device.name

    def _say(self, text):
        self.messages.append((time.monotonic(), text))
        del self.messages[:-100]

    def _look(self, calls, seen_s):
        """One look of the watcher; returns the calls counted and when they last grew."""
        now, counted = time.monotonic(), int(self.words[layout.CALLS])
        if self._output is None:
            return counted, now
        thread_id = int(self.words[layout.THREAD])
        if thread_id > 0:
            self.scheduling = promote(thread_id)
            self.words[layout.THREAD] = -thread_id      # asked once
        if counted != calls and not self._output.lost:
            return counted, now
        grace_s = self.words[layout.GRACE_NS] / 1e9
        if now - seen_s > max(LOST_S, 2 * grace_s) or self._output.lost:
            self._say(f"sound device {self.device_name!r} is gone; playing on without it")
            self._leave()
        return counted, seen_s

    def _leave(self):
        _LEFT.append((self.words, self._scratch, self._output))
        self._output.leave()
        if self._own_jack and self.wires.midi_outs:
            self._backlog = self._backlog or Backlog(self.wires)
        self._output = None

    def _return(self):
        """True when the lost device, or for no name any, sounds again."""
        try:
            output = self._again()
            if output is None:
                return False
            self._open(output)
            if self._backlog and self._own_jack:
                self._backlog.pass_by(layout.heard(self.words))
                self._backlog.hand_over(output)
            output.start()
        except DeviceError:
            if self._output:
                self._leave()
            return False
        self.returns, self._backlog = self.returns + 1, None
        self._say(f"sound device {self.device_name!r} is back")
        return True

    def _again(self):
        """The output as it was; for no name any that there is; or None."""
        if self._own_jack:
            try:
                return self._jack(self.device_name)
            except DeviceError:
                if self.wish is not None:
                    raise
        names = names_now()
        if self.device_name not in names and (self.wish is not None or not names):
            return None
        instance = HOUSE.renew()
        found = instance.devices()
        same = [d for d in found if d.name == self.device_name]
        if not same and (self.wish is not None or not found):
            return None
        return self._output_on(same[0] if same else choose(None, found), instance)

    def _pause_s(self, tries):
        if self._output:
            return LOOK_S
        return RETRY_S[0 if self._own_jack else min(tries, 3)]

    def _watch(self):
        calls, seen_s, tries = int(self.words[layout.CALLS]), time.monotonic(), 0
        while not self._leaving.wait(self._pause_s(tries)):
            with self._lock:
                if self._leaving.is_set():
                    return
                lost = self._output is None
                if lost and self._backlog:
                    self._backlog.pass_by(layout.heard(self.words))
                if lost and self._return():
                    calls, seen_s, tries = int(self.words[layout.CALLS]), time.monotonic(), 0
                elif lost:
                    tries += 1
                else:
                    calls, seen_s = self._look(calls, seen_s)

    # ---- the performer's side
    def start(self):
        """Begins to call the rig; raises DeviceError when the device refuses."""
        with self._lock:
            if self._closed:
                raise DeviceError("this stream is closed; open another")
            if self._keeper:
                return
            words = self.words
            words[[layout.STOP, layout.RUNNING]] = 0, 1
            words[layout.CALLED_NS] = time.monotonic_ns() if self._output else -(1 << 60)
            try:
                if self._output:
                    self._output.start()
            except DeviceError:
                words[[layout.STOP, layout.RUNNING]] = 1, 0
                raise
            self._keeper = threading.Thread(target=self._keep, daemon=True, name="keeper")
            self._keeper.start()
            if self.wish != NULL:
                self._leaving.clear()
                self._watcher = threading.Thread(target=self._watch, daemon=True, name="watcher")
                self._watcher.start()

    def _keep(self):
        granted = promote(threading.get_native_id())
        if self._output is None:
            self.scheduling = granted
        layout.keep(self.words)

    def stop(self):
        """Ends the calls; when it returns the rig is not being called and will not be."""
        self._leaving.set()
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join()
        with self._lock:
            if not self._keeper:
                return
            self.words[[layout.RUNNING, layout.STOP]] = 0, 1
            if self._output:
                try:
                    self._output.stop()
                except DeviceError:
                    self._leave()
            self._keeper.join()
            self._keeper = self._watcher = None
            while self.words[layout.TURN]:              # a device being lost may still be inside
                time.sleep(0.001)

    def close(self):
        """Stops, and gives the device back."""
        self.stop()
        with self._lock:
            if self._output:
                try:
                    self._output.close()
                    self._output = None
                except DeviceError:
                    self._leave()
            self._closed = True
            _ALIVE.discard(self)

    @property
    def carries_midi(self):
        return self._own_jack and self.wires.midi

    def unfit(self):
        """The line for a MIDI port that is carried and that nothing fits, or ""."""
        return self._output.unfit() if self.carries_midi and self._output else ""

    @property
    def on_device(self):
        """True while a device calls; False while the keeper plays for nobody."""
        now, called = time.monotonic_ns(), int(self.words[layout.CALLED_NS])
        return self._output is not None and now - called < int(self.words[layout.GRACE_NS])

    @property
    def histogram(self):
        """Blocks by cost: (400,) int64, sixteen bins an octave from 1.024 us."""
        return self.words[layout.HISTOGRAM:].copy()

    def counters(self):
        """What was counted since birth; ns where it says so, blocks or times elsewhere.

        With MIDI, what JackOutput.counters counts for the present client.
        """
        names = ("frames", "blocks", "late_blocks", "max_cost_ns", "max_late_ns", "null_blocks",
                 "takeovers", "device_breaks", "silent_blocks", "due_ns")
        places = (layout.FRAMES, layout.BLOCKS, layout.LATE, layout.MAX_COST_NS, layout.MAX_LATE_NS,
                  layout.NULL_BLOCKS, layout.TAKEOVERS, layout.BROKEN, layout.SILENT, layout.DUE_NS)
        found = dict(zip(names, map(int, self.words[list(places)]), strict=True))
        for percent in (50, 99):
            found[f"cost_p{percent}_ns"] = layout.percentile_ns(self.histogram, percent)
        output = self._output
        return found | output.counters() if output and self.carries_midi else found


def open_stream(process_address, rig_pointer, channels, rate_hz, device=None, block=None,
                **wires):
    """A stream that will call `void process(int64 rig, int64 out, int64 frames)`; not yet started.

    The first two words at rig_pointer are its sample and its frames in hand (engine.rig_words).
    device  "jack", part of a device's name, its number, None for the default, or "null" for none
    block   frames a call, or None for what the device likes
    wires   midi_outs, midi_in, midi_ins, part_names, held: see engine.stream_wires.Wires. Only JACK
            carries MIDI: see Stream.carries_midi
    raises  DeviceError: unknown device (with a near name), none at all, a rate it refuses
    """
    return Stream(process_address, rig_pointer, channels, rate_hz, device, block, Wires(**wires))


@atexit.register
def _close_all():
    for stream in list(_ALIVE):
        stream.close()
