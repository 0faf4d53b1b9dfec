"""The transport: a jump leaves out the steps in between, for the conductor and for every port."""
import types

import pytest
from test_midi_out import routed

from engine.transport import Transport


@pytest.mark.parametrize("place, step", [(5, 21), (8, 8), (24, 8)])
def test_a_jump_while_it_rolls_leaves_out_the_ticks_in_between(place, step):
    s = routed(clock=True)                    # 120 bpm: a tick is 1000 samples
    conductor = types.SimpleNamespace(clock=s.clock, rig=s.rig, midi=s.midi, deck=0, step=8, due=8)
    transport = Transport(conductor)
    transport.go_on(54_000.4, place, 60.0)
    assert (conductor.step, conductor.due) == (step, step)
    assert step + transport.shift == place
    found = s.play(72_000)
    ticks = [sample for _, sample, data in found if data == (0xF8,)]
    assert ticks == [k * 1000 for k in range(1, 48)] + [54_000 + k * 2000 for k in range(10)]
    assert [(sample, data) for _, sample, data in found if data[0] in (0xF2, 0xFB)] == [
        (54_000, (0xF2, place, 0)), (54_000, (0xFB,))]


def test_a_jump_is_never_before_what_was_sent():
    s = routed(clock=True)
    conductor = types.SimpleNamespace(clock=s.clock, rig=s.rig, midi=None, deck=0, step=8, due=8)
    Transport(conductor).go_on(1000, 0)
    assert s.clock.place_of(16) == 48_000.0 and conductor.step == 16
