"""MIDI out of the rig: each quantum's messages into the rings of the ports. Thread: audio.

Who empties a ring (JACK's callback, the wires process) writes the bytes at their sample.
"""
from engine.rig_midi_notes import end_notes, let_out
from engine.rig_midi_time import controllers, quarter, tick
from engine.rig_midi_words import (
    CONTROL_EVERY,
    M_PORTS,
    NOWHERE,
    P_CLOCK,
    P_FRAMES_S,
    P_ORIGIN,
    port_of,
    publish,
)
from engine.rig_words import i8
from engine.rt import QUANTUM, rt


@rt
def midi_quantum(h, m, now):
    """The MIDI of one quantum that begins at sample `now`."""
    let_out(h, m, now, True)
    for port in range(m[M_PORTS]):
        p = port_of(m, port)
        if p[P_CLOCK]:
            tick(m, i8(port), now)
        if p[P_FRAMES_S] > 0 and p[P_ORIGIN] > NOWHERE:
            quarter(m, i8(port), now)
    if now // QUANTUM % CONTROL_EVERY == 0:
        controllers(h, m, now)
    let_out(h, m, now, False)
    end_notes(h, m, now, now + QUANTUM)
    for port in range(m[M_PORTS]):
        publish(m, i8(port))
