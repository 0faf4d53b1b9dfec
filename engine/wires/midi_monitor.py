"""Looks at MIDI that arrives, without a stage: messages in words, a clock as its tempo. Thread:
control."""
import statistics
import time

from engine.wires.ears import POLL_S, Ears
from engine.wires.midi_words import CLOCK

SUMMARY_S, TICKS = 1.0, 24


def listing():
    """[{name, up, virtual, outputs, inputs}] of every system of ports."""
    from engine.port_names import IN, OUT
    from engine.wires.ports import Ports
    ports = Ports(watched=False)
    try:
        return [{"name": system.name, "up": system.up, "virtual": system.name != "Windows",
                 "outputs": system.names(OUT), "inputs": system.names(IN)}
                for system in ports.systems]
    finally:
        ports.close()


def table(systems):
    """The listing as lines; what to do when there is nothing."""
    from engine.port_names import plain
    from engine.wires.ports import NONE
    lines = []
    for system in systems:
        able = ("virtual:NAME makes a port" if system["virtual"] else
                "no virtual ports: loopMIDI makes some")
        lines.append(f"{system['name']}: {able if system['up'] else 'does not answer'}")
        for kind in ("outputs", "inputs") if system["up"] else ():
            names = ", ".join(plain(name) for name in system[kind])
            lines.append(f"  {kind:8} {names or 'none'}")
    if not any(system["up"] for system in systems):
        lines.append(NONE)
    return "\n".join(lines)


def words(data):
    """(a message's name and its numbers, by mido; channels from 1) of its bytes."""
    import mido
    try:
        found = mido.Message.from_bytes(data).dict()
    except (ValueError, TypeError):
        return "unknown", {}
    found.pop("time")
    if "channel" in found:
        found["channel"] += 1
    return found.pop("type"), {name: list(value) if isinstance(value, tuple) else value
                               for name, value in found.items()}


class Clocks:
    """Ticks of each port, told once a second."""

    def __init__(self):
        self._ticks = {}

    def tick(self, name, time_ns):
        self._ticks.setdefault(name, []).append(time_ns)

    def tell(self):
        """{port, bpm, jitter_ms, ticks} of each; jitter is the spread of the intervals."""
        for name, ticks in self._ticks.items():
            gaps_ms = [(b - a) * 1e-6 for a, b in zip(ticks, ticks[1:], strict=False)]
            del ticks[:-1]
            if len(gaps_ms) > 1:
                yield {"port": name, "bpm": 60_000 / TICKS / statistics.fmean(gaps_ms),
                       "jitter_ms": statistics.pstdev(gaps_ms), "ticks": len(gaps_ms)}


def arriving(ears, seconds=None):
    """Yields (result, line) of each message, and of the clocks once a second."""
    begun_ns = told_ns = time.monotonic_ns()
    end_ns = float("inf") if seconds is None else begun_ns + seconds * 1e9
    before, clocks = {}, Clocks()
    while (now_ns := time.monotonic_ns()) < end_ns:
        for name, time_ns, data in ears.hear():
            if data[0] == CLOCK:
                clocks.tick(name, time_ns)
                continue
            since_ms = (time_ns - before.get(name, time_ns)) * 1e-6
            before[name] = time_ns
            kind, numbers = words(data)
            at_s = (time_ns - begun_ns) * 1e-9
            told = " ".join(f"{key} {value}" for key, value in numbers.items())
            yield ({"time_s": at_s, "interval_ms": since_ms, "port": name, "type": kind,
                    **numbers, "bytes": data.hex()},
                   f"{at_s:9.3f} s {since_ms:+10.2f} ms  {name}  {kind} "
                   f"{told or data.hex(' ')}")
        if now_ns - told_ns > SUMMARY_S * 1e9:
            told_ns = now_ns
            for told in clocks.tell():
                yield told, (f"{(now_ns - begun_ns) * 1e-9:9.3f} s                {told['port']}  "
                             f"clock {told['bpm']:.2f} bpm, jitter {told['jitter_ms']:.2f} ms")
        time.sleep(POLL_S)


def opened(patterns):
    """The inputs to look at.

    raises  EngineError when there is none that fits
    """
    return Ears(patterns)
