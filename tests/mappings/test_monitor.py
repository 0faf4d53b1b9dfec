"""The monitor: pentatonic while calm; roughness and brightness rise with the score; few alarms."""
import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import texts
import torch
from scipy.signal import resample_poly
from scipy.stats import spearmanr

from engine.clock import Clock
from engine.conductor import Conductor
from engine.errors import MappingError
from engine.model import profile
from engine.model.calibrate import windows
from engine.model.load import load as load_model
from engine.records import Frame
from engine.render import caller, render
from engine.session import Options
from engine.sets import load
from engine.table import Rig
from engine.why import Why
from mappings.features import NAMES, Meter
from mappings.features.acoustic import partials, roughness
from mappings.features.common import places, unpacked
from mappings.memory import NAMES as READ
from mappings.monitor import PENTATONIC, Listener, Score, chord, ladders
from mappings.music import STEPS

SET = load("sets/monitor.py")
LEVELS = np.linspace(0.05, 0.98, 20)
SOURCE = SET.music.score.sources[0]


def level_frames(level, count=64):
    """A text whose every token is as surprising, as open and as unclear as `level`."""
    token = {SOURCE: level, "token.entropy_nat": level, "token.margin_nat": 1.0 - level}
    return [dataclasses.replace(frame, unit=frame.unit | token)
            for frame in texts.frames(3, count)]


def play(frames, bars=8, late_from=None, form=None, music=SET.music):
    """The steps of a performance; after `late_from` the model is silent."""
    player, source, found = music.player(2, form), iter(frames), []
    for step in range(bars * STEPS):
        late = late_from is not None and step >= late_from
        due = [] if late or step % 2 else list(itertools.islice(source, 1))
        found.append(player.step(step, due, late))
    return found


def rough(notes):
    return roughness(*partials([440.0 * 2 ** ((n.pitch_st - 69) / 12) for n in notes]))


def events(steps):
    return [(i % STEPS, n.part, n.pitch_st) for i, s in enumerate(steps) for n in s.notes]


def alarms(places, score=SET.music.score):
    """How often the alarm turns on, and for how many tokens it is."""
    listener, turned, on = Listener(score), 0, 0
    for seq, place in enumerate(places):
        turned += listener.hear(Frame(seq, 0, "", 0, {}, {SOURCE: place})) and listener.on
        on += listener.on
    return turned, on


# ---- the promise
def test_roughness_rises_with_the_score():
    heard = []
    for level in LEVELS:
        pad = [[n for n in s.notes if n.part == "pad"] for s in play(level_frames(level))[64:]]
        heard.append(np.mean([rough(notes) for notes in pad if notes]))
    assert spearmanr(LEVELS, heard)[0] > 0.95 and heard[-1] > 3 * heard[0]


class Given:
    """A source of frames, and the meter that gives them on."""
    names, next_seq, enters = NAMES, 0, None

    def __init__(self, frames):
        self.left, self.playing = list(frames), []

    def arrive(self):
        if self.left:
            self.playing.append(self.left.pop(0))
            return self.playing[-1], None

    def take(self):
        self.next_seq = self.playing.pop(0).seq + 1

    def measure(self, state, token):
        return state


def sound(level, bars=4):
    """The real set's last two bars, played by frames of one level, four times as fast."""
    made, source = dataclasses.replace(SET, bpm=300), Given(level_frames(level))
    rig = Rig(48000, 4, made.limiter)
    rig.load(made.table())
    conductor = Conductor(made, rig, source, source, Clock(48000, made.bpm), bars=bars)
    conductor.advance(1 << 40)
    out = np.zeros((round(bars * 0.8 * 48000), rig.channels), np.float32)
    caller(rig)(out, len(out))
    return out[len(out) // 2:, :2].mean(axis=1)


def test_the_spectral_centroid_rises_with_the_score():
    centroids = []
    for level in LEVELS:
        power = np.abs(np.fft.rfft(sound(level))) ** 2
        hz = np.fft.rfftfreq(2 * len(power) - 2, 1 / 48000)
        centroids.append((hz * power).sum() / power.sum())
    assert spearmanr(LEVELS, centroids)[0] > 0.95, np.round(centroids)
    assert centroids[-1] > 1.6 * centroids[0], np.round(centroids)


def test_under_the_threshold_everything_is_pentatonic():
    tense, calm, player = 0, 0, SET.music.player(2)
    frames = [frame for seed in (1, 2) for frame in texts.frames(seed, 400, drift=0.95)]
    for step in range(1600):
        made = player.step(step, [] if step % 2 else [frames[step // 2]], False)
        classes = {(n.pitch_st - player.tonic) % 12 for n in made.notes if n.part != "heart"}
        if player.listener.on:
            tense += not classes <= set(PENTATONIC)
        else:
            assert classes <= set(PENTATONIC), (step, made.notes)
            calm += bool(classes)
    assert tense > 20 and calm > 200


def test_a_tense_chord_is_rougher_than_any_calm_one():
    (calm, low), (tense, high) = ladders()
    assert high[0] > low[-1] and (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
    assert {int(p - 57) % 12 for c in calm for p in c} == set(PENTATONIC)
    assert abs(low[3] - roughness(*partials(440.0 * 2 ** ((calm[3] - 69) / 12)))) < 1e-6
    before = chord(False, 0.5, None)
    assert chord(False, 0.5, before) != before and len(tense) > 100


# ---- the alarm
def test_the_alarm_has_two_thresholds_and_hears_each_token_once():
    score = Score(tau=4.0, above=0.7, rearm=0.5)
    assert alarms([0.9] * 20 + [0.6] * 50 + [0.9] * 20, score)[0] == 1
    assert alarms([0.9] * 20 + [0.2] * 20 + [0.9] * 20, score)[0] == 2
    one, two = Listener(score), Listener(score)
    for seq in (0, 1, 2):
        one.hear(Frame(seq, 0, "", 0, {}, {SOURCE: 0.9}))
    for seq in (0, 2):                    # one record was lost: as if it had said the same
        two.hear(Frame(seq, 0, "", 0, {}, {SOURCE: 0.9}))
    assert one.value == pytest.approx(two.value) == pytest.approx(0.9 - 0.4 * np.exp(-3 / 4))
    before = one.value
    one.hear(Frame(3, 0, "", 0, {}, {}))
    assert one.value == before


def test_a_direction_can_be_listened_to_and_surprisal_stands_in_for_it():
    """The fall of a shipped direction is the alarm, where the model has it."""
    listener = Listener(Score(("-direction.certain", SOURCE)))
    for seq in range(40):
        listener.hear(Frame(seq, 0, "", 0, {}, {SOURCE: 0.1, "direction.certain": 0.05}))
    assert listener.on and listener.read == "direction.certain"
    for seq in range(40, 80):
        listener.hear(Frame(seq, 0, "", 0, {}, {SOURCE: 0.1}))
    assert not listener.on and listener.read == SOURCE


def neutral_places():
    """The places of the shipped model's surprisal on the neutral text."""
    model = load_model("embedded")
    ids = torch.tensor(windows(SimpleNamespace(
        tokenizer=model.tokenizer, window=model.context, mark=[model.tokenizer.bos_token_id]))[0])
    with torch.no_grad():
        law = model.model(ids[None, :]).logits[0, :-1].float().log_softmax(-1)
    nat = -law[torch.arange(len(ids) - 1), ids[1:]].double().numpy()[1:]
    learned, _ = profile.find(model.weight_hash, Meter.signature, ())
    out, row = np.empty(len(nat)), NAMES.index(SOURCE)
    places(nat, np.repeat(unpacked(learned["grid"])[row:row + 1], len(nat), axis=0), out)
    return out


def test_false_alarms_are_at_most_one_in_500_tokens():
    neutral = neutral_places()
    assert len(neutral) > 300 and 0.45 < np.mean(neutral) < 0.55
    assert alarms(neutral)[0] <= len(neutral) / 500
    chance = np.random.default_rng(1).random(100_000)
    assert 20 < alarms(chance)[0] <= 200                       # independent places
    assert alarms(np.sqrt(chance))[1] > 20_000                 # a text that surprises twice as much


def test_what_is_recalled_raises_no_alarm_and_lets_one_end():
    hot = level_frames(0.9, 32)
    steps = play(hot, 24, late_from=64)
    assert "alarm" in steps[60].chord and "alarm" not in steps[200].chord
    assert not any("alarm" in s.chord for s in steps[200:])


# ---- the music
def test_the_same_frames_give_the_same_music_and_others_give_other():
    one, two = (play(texts.frames(seed, 200), 24) for seed in (1, 2))
    assert repr(play(texts.frames(1, 200), 24)) == repr(one)
    per_step = [[{(n.part, n.pitch_st) for n in s.notes if n.seq >= 0} for s in play]
                for play in (one, two)]
    same = sum(a == b for a, b in zip(*per_step, strict=True) if a and b)
    assert same < 0.1 * sum(bool(a and b) for a, b in zip(*per_step, strict=True))


def test_lines_return_and_are_written_anew():
    bars = [[e for e in events(steps) if e[1] == "arp"]
            for steps in np.array_split(np.array(play(texts.frames(1, 400), 16), object), 16)]
    assert bars[4] == bars[5] == bars[7] != bars[6] and bars[8] != bars[4]


def test_without_a_model_or_its_features_the_music_goes_on_and_changes():
    few = [dataclasses.replace(f, unit={}) for f in texts.frames(1, 200)]
    for steps in (play([], 24, late_from=0), play(texts.frames(3, 64), 32, late_from=8 * STEPS),
                  play(few, 24)):
        bars = [tuple(events(steps[i:i + STEPS])) for i in range(0, len(steps), STEPS)]
        assert all(bars) and len(set(bars[8:])) > len(bars[8:]) // 2
        assert all(n.cause for s in steps for n in s.notes)


def test_a_section_ends_when_the_performer_wishes_and_a_piece_on_its_last_bar():
    player = SET.music.player(2, 24)
    player.go_to("clear")
    steps = [player.step(step, [], True) for step in range(25 * STEPS)]
    assert steps[STEPS].section == "clear" and not steps[-1].notes and steps[23 * STEPS].notes
    with pytest.raises(MappingError, match="did you mean 'clear'"):
        player.go_to("claer")


@pytest.mark.parametrize("wrong", ({"rearm": 0.8}, {"tau": 0.0}, {"sources": ()}))
def test_a_score_that_cannot_work_is_refused(wrong):
    with pytest.raises(MappingError, match="score: needs"):
        Score(**wrong)
    assert set(SET.music.features) <= set(NAMES) and set(READ) >= set(SET.music.features)


@pytest.mark.slow                         # its sounds are compiled, then it plays
def test_a_performance_is_told_whole_and_as_loud_as_it_should_be(tmp_path):
    import pyloudnorm
    import soundfile
    take = str(tmp_path / "a.take")
    made = render(Options(set="sets/monitor.py", bars=12, temperature=1.7, record=take,
                          out=str(tmp_path / "a.wav")))
    x, rate_hz = soundfile.read(tmp_path / "a.wav")
    peak_db = 20 * np.log10(np.abs(resample_poly(x, 4, 1, axis=0)).max())
    assert made["not_finite"] == made["late_events"] == 0 and peak_db <= -1.0
    assert -16.0 <= pyloudnorm.Meter(rate_hz).integrated_loudness(x) <= -12.0
    why = Why(take)
    assert len(why.take.events) > 300 and not why.unresolved()
    told = {why.cause(row)["by"] for row in why.take.events}
    assert {"model", "link", "grammar"} <= told
