"""Latent: a key that follows, chords that resolve, lines that come back; never a stop."""
import re
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import soundfile
import texts

from bench._patterns import bars_of, patterns
from bench.music import LIMITS
from engine.performance import Options
from engine.render import render
from engine.sets import load
from engine.why import Why
from mappings.harmony import NAMES
from mappings.latent_harmony import QUALITIES, RESOLVED, SHARES, TENSE, Wish, planned
from mappings.music import STEPS

MUSIC = load("sets/latent.py").music
OWN = [name for name in MUSIC.features if not name.startswith(("token.", "mlp.", "resid."))]


def frames(seed, count=1024, keys=((0, 0.0),), events=()):
    """A text of its own with every feature; keys: (tonic, mode) of even shares of it."""
    found = []
    for i, (frame, other, third) in enumerate(zip(
            texts.frames(seed, count), texts.frames(seed + 100, count),
            texts.frames(seed + 200, count), strict=True)):
        places = [*other.unit.values(), *third.unit.values()]
        unit = frame.unit | {name: places[k % len(places)] for k, name in enumerate(OWN)}
        tonic, mode = keys[i * len(keys) // count]
        raw = {"key.tonic_st": float(tonic), "key.mode": mode, "modulation.pivots": 0.0,
               "chord.bass_st": float(int(11.99 * unit["chord.bass_st"])),
               "chord.inversion": float(int(2.99 * unit["chord.inversion"])),
               "chord.quality": float(sum(unit["chord.quality"] >= s for s in SHARES))}
        steps = [unit["register.bass"] + (k * 7 % 16) / 16 for k in range(STEPS)]
        found.append(replace(frame, unit=unit, raw=raw, rows={"rhythm.steps": steps},
                             events=[(name, 1.0, "", 6) for at, name in events if at == i]))
    return found


def play(some, bars=128, late_from=None, form=None):
    """(player, steps); after `late_from` the model is silent."""
    player, found = MUSIC.player(2, form), []
    for step in range(bars * STEPS):
        late = late_from is not None and step >= late_from
        found.append(player.step(step, [] if late or step % 2 else [some[step // 2]], late))
    return player, found


def chords(steps):
    return [step.chord for step in steps[::STEPS]]


def parsed(name):
    """(root, quality) of a chord's name."""
    root, kind = re.fullmatch(r"([A-G]b?)(m|dim|aug|)7?", name).groups()
    return NAMES.index(root), {"": "major", "m": "minor", "dim": "diminished",
                               "aug": "augmented"}[kind]


@pytest.mark.parametrize("mode", ("major", "minor"))
def test_what_is_tense_resolves_in_the_next_bar_of_any_plan(mode):
    for qualities, bass, home in product(product(QUALITIES, repeat=4), (0, 5, 10), (True, False)):
        plan = planned([Wish(quality, bass, 0, False) for quality in qualities], 0, mode, home)
        assert len(plan) == 8 and plan[0].quality not in TENSE
        for here, after in zip(plan, [*plan[1:], plan[0]], strict=True):
            if here.quality in TENSE:
                assert (after.root, after.quality) == RESOLVED[mode][here.root]


def test_it_resolves_as_played_whatever_changes_at_the_line():
    _, steps = play(frames(1, keys=((0, 0.0), (7, 1.0), (2, 0.0), (9, 1.0), (0, 0.0)) * 3,
                           events=[(at, "tonicisation") for at in range(50, 1000, 31)]))
    found = [parsed(name) for name in chords(steps)]
    ways = {(kind, (there - root) % 12, quality) for mode in RESOLVED
            for root, (there, quality) in RESOLVED[mode].items() for kind in TENSE}
    tense = [(here, after) for here, after in zip(found, found[1:], strict=False)
             if here[1] in TENSE]
    assert len(tense) > 10
    for (root, kind), (there, quality) in tense:
        assert (kind, (there - root) % 12, quality) in ways


def test_the_key_follows_the_model_and_passes_over_a_flicker():
    keys = [(0, 0.0)] * 256 + [(2, 1.0)] * 256 + [(9, 0.0)] * 256
    heard, found = frames(2, 768), []
    heard = [replace(f, raw=f.raw | {"key.tonic_st": float(t), "key.mode": m})
             for f, (t, m) in zip(heard, keys, strict=True)]
    for at in (100, 360):                 # eight records of another key
        for i in range(at, at + 8):
            heard[i].raw["key.tonic_st"] = 6.0
    player = MUSIC.player(2, None)
    for step in range(96 * STEPS):
        player.step(step, [heard[step // 2]] if step % 2 == 0 else [], False)
        if step % (4 * STEPS) == 0 and step // 2 >= 8:
            here, wanted = player.arranger.here, keys[max(0, step // 2 - 32)]
            found.append((here.tonic, here.mode) == (wanted[0], ("major", "minor")[int(wanted[1])]))
    assert sum(found) / len(found) >= 0.95


def test_a_tonicisation_borrows_a_chord_and_leaves_the_key():
    plain = frames(3)
    before = chords(play(plain, 40)[1])
    calm = [not name.startswith(tuple(f"{root}{t}" for root in NAMES for t in ("dim", "aug")))
            for name in before]
    free = [bar for bar in range(20, 38) if all(calm[bar - 1:bar + 2])
            and not before[bar].endswith("7")]
    for bar in free[:3]:
        at = 8 * bar - 6
        player, steps = play([*plain[:at], *frames(3, events=[(at, "tonicisation")])[at:]], 40)
        after = chords(steps)
        assert [i for i in range(40) if after[i] != before[i]] == [bar]
        assert (parsed(after[bar])[0] - parsed(after[bar + 1])[0]) % 12 == 7
        assert after[bar].endswith("7") and player.arranger.here.tonic == 0
    assert free


def test_a_modulation_moves_the_key_at_the_next_line_a_new_key_alone_must_stand():
    at = 8 * 28 - 6                       # six records before a line
    late = [replace(f, raw=f.raw | {"key.tonic_st": 9.0}) if i >= at else f
            for i, f in enumerate(frames(3))]
    moved = [replace(f, events=[("modulation", 1.0, "", 38)]) if i == at + 1 else f
             for i, f in enumerate(late)]
    assert [play(some, 29)[0].arranger.here.tonic for some in (late, moved)] == [0, 9]


@pytest.mark.parametrize("seed", (4, 5))
def test_cells_and_chords_come_back_and_change(seed):
    _, steps = play(frames(seed, keys=((0, 0.0), (7, 0.0), (5, 1.0))))
    strikes = [(i, n.part, n.pitch_st) for i, step in enumerate(steps) for n in step.notes
               if n.part not in ("low", "tick")]
    for name, value in patterns(bars_of(strikes, 128)).items():
        low, high, _ = LIMITS[name]
        assert low <= value <= high, name
    names = chords(steps)
    assert sum(a == b for a, b in zip(names, names[4:], strict=False)) > 50
    assert len(set(names)) >= 7


def test_the_same_frames_give_the_same_notes_and_nothing_of_later_is_heard_before():
    some = frames(6)
    assert play(some, 48)[1] == play(some, 48)[1]
    other = [*some[:200], *frames(7)[200:]]
    one, two = play(some, 48)[1], play(other, 48)[1]
    assert one[:400] == two[:400] and one[400:] != two[400:]


def test_a_poor_model_and_no_model_at_all_are_not_silent():
    poor, none = texts.frames(8), []
    for heard, late_from in ((poor, None), (poor, 160), (none, 0)):
        _, steps = play(heard, 128, late_from, 128)
        parts = Counter(note.part for step in steps for note in step.notes)
        assert set(parts) >= {"pad", "bell", "strings", "bass", "low"}
        empty = [b for b in range(128) if not any(s.notes for s in steps[STEPS * b:][:STEPS])]
        assert not empty


def test_heads_say_how_the_second_voice_moves():
    found = {}
    for kind in ("parallel", "contrary", "oblique"):
        some = [replace(f, unit=f.unit | {f"voices.{k}": 0.9 if (k == kind) == (i >= 160) else 0.1
                                          for k in ("parallel", "contrary", "oblique")})
                for i, f in enumerate(frames(9, 512))]
        player, steps = play(some, 30)
        found[kind] = player.arranger.motion[0]
        notes = [n for step in steps for n in step.notes if n.cause.startswith("counter")]
        assert notes and all(n.seq >= 0 for n in notes)
    assert found == {kind: kind for kind in found}


@pytest.mark.slow                         # its sounds are compiled, then it plays
def test_the_set_renders_with_the_embedded_model_and_says_where_each_event_is_from(tmp_path):
    take, sound = tmp_path / "latent.take", tmp_path / "latent.wav"
    report = render(Options(set="sets/latent.py", bars=10, out=str(sound), record=str(take)))
    heard, rate_hz = soundfile.read(sound)
    assert np.isfinite(heard).all() and 0.1 < report["peak"] <= 10.0 ** (-1.0 / 20.0)
    loud = heard[:10 * 4 * 60 * rate_hz // 92]
    assert -24.0 < 10.0 * np.log10((loud ** 2).mean()) < -10.0
    assert np.abs(heard[-rate_hz // 4:]).max() < 0.02      # no note is stuck
    why = Why(take)
    assert not why.unresolved()
    parts = Counter(note[0] for step in why.take.steps for note in step["notes"])
    assert set(parts) >= {"pad", "bell", "strings", "bass", "low", "tick"}
    model = [row for row in why.take.events if why.cause(row)["by"] in ("model", "link")]
    assert len(model) > 0.9 * len(why.take.events)
