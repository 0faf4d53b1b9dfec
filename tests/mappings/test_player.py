"""The player as a whole: the same frames the same music, other frames other music, never a stop."""
import hashlib
import itertools
from collections import Counter

import pytest
import texts

from engine.mapping import Note, Step
from engine.records import Frame
from engine.sets import load
from mappings.music import STEPS

MUSIC = load("sets/house.py").music
STABS = {"chords", "lead", "pad"}


def play(frames, bars=64, per_token=2, form=None, late_from=None, press=()):
    """The steps of a performance; after `late_from` the model is silent."""
    player, found = MUSIC.player(per_token, form), []
    source = iter(frames)
    for step in range(bars * STEPS):
        if step in press:
            player.next_section()
        late = late_from is not None and step >= late_from
        due = [] if late or step % per_token else list(itertools.islice(source, 1))
        found.append(player.step(step, due, late))
    return found


def digest(steps):
    return hashlib.sha256(repr(steps).encode()).hexdigest()


def events(steps):
    return [(i, n.part, n.pitch_st) for i, s in enumerate(steps) for n in s.notes]


@pytest.fixture(scope="module")
def night():
    return play(texts.frames(1, 1024), 128, form=128)


def test_the_same_frames_give_the_same_events_and_others_give_others(night):
    assert digest(play(texts.frames(1, 1024), 128, form=128)) == digest(night)
    other = play(texts.frames(2, 1024), 128, form=128)
    assert events(other) != events(night)
    assert [s.section for s in other] != [s.section for s in night]


def test_steps_hold_legal_notes_with_a_cause(night):
    for step in night:
        assert isinstance(step, Step) and step.section and step.chord
        assert 0 <= step.section_bar < max(step.section_bars, step.section_bar + 1)
        for note in step.notes:
            assert isinstance(note, Note) and note.cause
            assert 0.0 < note.level <= 1.0 and 0.0 <= note.delay_steps < 1.0
            assert note.length_steps > 0.0 and 24 <= note.pitch_st <= 100
        voices = Counter((n.part, n.pitch_st) for n in step.notes if n.part in STABS)
        assert not voices or max(voices.values()) == 1


def test_every_second_sixteenth_swings_alike_and_the_others_stand_on_the_grid(night):
    low, high = (2.0 * place - 1.0 for place in MUSIC.swing)
    for bar in range(0, len(night), STEPS):
        odd = {n.delay_steps for s in night[bar + 1:bar + STEPS:2] for n in s.notes}
        even = {n.delay_steps for s in night[bar:bar + STEPS:2] for n in s.notes}
        assert even <= {0.0} and len(odd) <= 1 and all(low <= x <= high for x in odd)
    assert len({n.delay_steps for s in night for n in s.notes}) > 3


def test_eight_bars_close_with_a_fill(night):
    filled = {i // STEPS for i, s in enumerate(night) for n in s.notes
              if n.cause.startswith("fill")}
    assert filled and all(bar % 8 == 7 for bar in filled) and len(filled) >= 12


def test_what_the_model_decides_says_so(night):
    causes = [n.cause for s in night for n in s.notes]
    for name in ("token.surprisal_nat", "attn.low.write", "attn.mid.write", "attn.high.write",
                 "mlp.high.sparsity", "resid.axis.1", "resid.mid.speed", "punctuation", "fill",
                 "edit"):
        assert any(name in cause for cause in causes), name
    fixed = sum(cause.startswith("grammar: kick") for cause in causes)
    assert 0 < fixed < len(causes) / 4


def test_a_sentence_end_throws_the_stab_into_the_echo_and_takes_it_back(night):
    throws = [(i, t.value) for i, s in enumerate(night) for t in s.targets
              if t.path == "chords.delay_send"]
    ends = [2 * i for i, frame in enumerate(texts.frames(1, 1024)) if frame.sentence_end]
    assert [i for i, value in throws if value > 0.5] == ends
    taken = [i for i, value in throws if value <= 0.5]
    assert all(any(i < j <= i + 4 and j % 4 == 0 for j in taken) for i in ends if i < 2040)


def test_the_break_has_no_kick_and_the_drop_has_everything(night):
    heard = {}
    for step in night:
        heard.setdefault(step.section, Counter()).update(n.part for n in step.notes)
    assert heard["break"]["kick"] == 0 and heard["break"]["pad"] and heard["break"]["lead"]
    assert {"kick", "clap", "hat", "openhat", "bass", "chords", "lead", "pad"} <= set(heard["drop"])


def test_a_tempo_of_tokens_other_than_two_steps_plays_too():
    for per_token in (1, 4, 8, 16):
        steps = play(texts.frames(4, 64 * STEPS // per_token), 64, per_token)
        bars = [frozenset(events(steps[i:i + STEPS])) for i in range(0, len(steps), STEPS)]
        assert len(set(bars)) > 16 and all(bars)


def test_absent_features_leave_music():
    few = [Frame(f.seq, f.token, f.text, 0, {}, {k: f.unit[k] for k in list(f.unit)[:2]},
                 f.sentence_end, f.punctuation) for f in texts.frames(1, 512)]
    none = [Frame(f.seq, f.token, f.text, 0, {}, {}, f.sentence_end) for f in few]
    one, other = play(few), play(none)
    assert events(one) != events(other) and len(events(other)) > 800
    assert not any("attn" in n.cause.split(";")[-1] for s in one for n in s.notes
                   if n.part == "lead")


def test_when_the_model_falls_silent_the_music_goes_on_and_changes():
    steps = play(texts.frames(3, 128), 96, late_from=32 * STEPS)
    bars = [tuple(events(steps[i:i + STEPS])) for i in range(0, len(steps), STEPS)]
    bars = [tuple((i % STEPS, part, pitch) for i, part, pitch in bar) for bar in bars]
    after = bars[32:]
    assert all(after) and len(set(after)) > len(after) // 2
    assert any("recalled" in n.cause for s in steps[32 * STEPS:] for n in s.notes)
    assert digest(play(texts.frames(3, 128), 96, late_from=32 * STEPS)) == digest(steps)


def test_without_any_model_there_is_music_from_the_first_step():
    steps = play([], 48, late_from=0)
    assert steps[0].notes and all(any(s.notes for s in steps[i:i + STEPS])
                                  for i in range(0, len(steps), STEPS))


def test_the_next_cycle_has_another_key_other_players_and_other_patterns():
    steps = play(texts.frames(6, 2400), 300)
    cycles = {}
    for i, step in enumerate(steps):
        cycles.setdefault(step.cycle, []).append((i, step))
    assert len(cycles) >= 2
    chords = [Counter(s.chord for _, s in cycles[c]).most_common(1)[0][0] for c in (0, 1)]
    bass = [[n.pitch_st for _, s in cycles[c] for n in s.notes if n.part == "bass"] for c in (0, 1)]
    assert chords[0] != chords[1] and set(bass[0]) != set(bass[1])
    tables = [[t for _, s in cycles[c] for t in s.targets
               if t.path in ("bass.wave", "chords.ratio")] for c in (0, 1)]
    assert [t.value for t in tables[0]][:2] != [t.value for t in tables[1]][:2]


@pytest.mark.parametrize("bars", (1, 2, 3, 4, 7, 16, 32, 33))
def test_a_piece_of_any_length_sounds_in_every_bar_and_then_ends(bars):
    steps = play(texts.frames(1, 400), bars + 1, form=bars)
    for bar in range(bars):
        assert any(s.notes for s in steps[bar * STEPS:(bar + 1) * STEPS])
    assert not any(s.notes for s in steps[bars * STEPS:])


def test_space_ends_the_section_at_the_next_bar_line():
    steps = play(texts.frames(1, 200), 24, press=(5 * STEPS + 3,))
    assert steps[6 * STEPS - 1].section == "intro" and steps[6 * STEPS].section == "build"


def test_a_build_opens_the_filter_and_the_drop_closes_it_at_once(night):
    at = next(i for i, s in enumerate(night) if s.section == "drop")
    before = [t.value for s in night[at - 8 * STEPS:at] for t in s.targets
              if t.path == "djfilter.position"]
    assert before == sorted(before) and before[-1] > 0.4
    now = [t for t in night[at].targets if t.path == "djfilter.position"]
    assert now[-1].value == 0.0 and now[-1].rise_s <= 0.02
