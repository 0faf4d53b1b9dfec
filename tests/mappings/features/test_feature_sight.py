"""What all streams share, and the streams together: contract, repeatability, profiles, cost."""
import json
import math

import numpy as np
import planted
import pytest

from bench.features import calibrated, descriptor, records
from engine.records import PREFILL
from mappings.features import NAMES, Meter
from mappings.features.families import AFTER, CORE, FAMILIES, RANGES, STREAMS, TIER
from mappings.features.layers import Layers
from mappings.features.sight import Sight, seriated


def small():
    return descriptor(layers=6, width=48, units=40, heads=4, context=512)


ROWS = records(small(), 400)
for state_row, _ in ROWS[200:220]:
    state_row["flags"] |= PREFILL


@pytest.fixture(scope="module")
def meter():
    return calibrated(small(), ROWS[:200])


def measured(meter, rows=ROWS[200:330]):
    meter.forget()
    return [meter.measure(*row) for row in rows]


def same(a, b):
    return all(x.raw == y.raw and x.unit == y.unit and x.events == y.events
               for x, y in zip(a, b, strict=True))


def test_every_feature_is_told_within_its_range(meter):
    frames = measured(meter)
    told = {name for frame in frames for name in frame.raw}
    rare = {"meter.period_blocks", "fugue.lag_tokens", "fugue.sign", "modulation.abruptness",
            "modulation.pivots"}
    assert set(NAMES) - told <= rare
    assert set(RANGES) == set(NAMES) == set(TIER) and len(set(NAMES)) == len(NAMES)
    for frame in frames:
        for name, x in frame.raw.items():
            low, high = RANGES[name]
            assert math.isfinite(x) and low - 1e-6 <= x <= high + 1e-6, (name, x)
        assert all(0.0 <= place <= 1.0 for place in frame.unit.values())
    for name, strength, voice, latency in [e for frame in frames for e in frame.events]:
        assert "." in name or name.isalpha() and isinstance(voice, str)
        assert math.isfinite(strength) and latency >= 0
    assert {"rhythm.steps", "chord.quality", "turning.deg"} <= set(frames[-1].rows)


def test_the_same_records_give_the_same_frames_and_a_profile_too(meter):
    first = measured(meter)
    assert same(first, measured(meter))
    other = Meter(small())
    other.load_profile(json.loads(json.dumps(meter.profile())))
    assert same(first, measured(other))


def test_what_comes_later_changes_nothing_before_it(meter):
    first = measured(meter)
    rows = [*ROWS[200:260], *[(s.copy(), t.copy()) for s, t in ROWS[260:330]]]
    for state, _ in rows[60:]:
        state["resid"] *= -1.0
    turned = measured(meter, rows)
    assert same(first[:60], turned[:60]) and not same(first[60:], turned[60:])


def test_only_what_is_wanted_is_measured_and_the_core_stays_the_same(meter):
    less = Meter(small(), ["key.tonic_st", "rubato.work"])
    less.load_profile(json.loads(json.dumps(meter.profile())))
    core = {name for family in CORE.values() for name in family.names}
    for few, all_ in zip(measured(less), measured(meter), strict=True):
        assert {n.split(".")[0] for n in set(few.raw) - core} <= {"key", "rubato"}
        assert few.raw.items() <= all_.raw.items()
        assert {n: x for n, x in few.unit.items() if n in core} == {
            n: x for n, x in all_.unit.items() if n in core}
    less.want(["fugue.match"])
    assert set(less._streams) == {"key", "rubato", "fugue", AFTER["fugue"]}
    none = Meter(small(), ())
    none.load_profile(json.loads(json.dumps(meter.profile())))
    assert {name for frame in measured(none) for name in frame.raw} <= core


@pytest.mark.parametrize("tier", ["T1", "T2", "T3", "T4", "lens"])
def test_a_missing_tier_has_no_key_and_is_never_zero(tier):
    shape = small()
    shape = type(shape)(**shape.__dict__ | {"tiers": tuple(t for t in shape.tiers if t != tier)})
    rows = records(shape, 60)
    made = Meter(shape)
    for row in rows:
        made.learn(*row)
    made.freeze()
    told = {name for row in rows for name in made.measure(*row).raw}
    gone = {name for name, its in TIER.items() if its == tier}
    assert gone and not gone & told
    assert {"token.surprisal_nat", "familiarity.surprisal_nat"} <= told
    assert made.tiers(gone) == {tier}


def test_sinks_and_broken_rows_reach_no_feature(meter):
    meter.layers.sinks, before = (0, 3), meter.layers.sinks
    plain = measured(meter)
    monster = ROWS[210][0].copy()
    monster["resid"] *= 1e3
    monster["position"] = 3
    meter.forget()
    rows = [*ROWS[200:220], (monster, ROWS[210][1]), *ROWS[220:330]]
    frames = [meter.measure(*row) for row in rows]
    streams = {name for key in STREAMS if STREAMS[key].tier not in ("T0", "lens")
               for name in FAMILIES[key].names}
    assert not streams & set(frames[20].raw)
    names = {n for n in streams if not n.startswith(("phrase", "variation"))}
    assert all({n: x for n, x in a.raw.items() if n in names} ==
               {n: x for n, x in b.raw.items() if n in names}
               for a, b in zip(plain[20:], frames[21:], strict=True))
    meter.layers.sinks = (0,)                               # the fault: the sink is not masked
    meter.forget()
    frames = [meter.measure(*row) for row in rows]
    assert any(a.raw.get("rubato.work") != b.raw.get("rubato.work")
               for a, b in zip(plain[20:], frames[21:], strict=True))
    meter.layers.sinks = before
    broken = ROWS[230][0].copy()
    broken["resid"][:], broken["valid"] = np.nan, 0
    meter.forget()
    for row in ROWS[200:230]:
        meter.measure(*row)
    assert not {"register.height", "interval.angle_deg", "key.tonic_st", "dynamics.bass",
                "turning.total_deg"} & set(meter.measure(broken, ROWS[230][1]).raw)
    after = [meter.measure(*row) for row in ROWS[231:260]]
    assert {"register.height", "interval.angle_deg", "key.tonic_st", "dynamics.bass",
            "rubato.tempo", "voices.static", "phrase.novelty"} <= set(after[-1].raw)


def test_writes_are_blocks_not_states():
    """Closure and off by one: write l is state l + 1 less state l, in the layer's own units."""
    _, sight = planted.streaming(STREAMS["register"])
    writes = np.random.default_rng(1).normal(size=(6, 32)) * np.arange(1, 7)[:, None]
    sight.see(planted.written(sight, writes, np.full(32, 5.0)), planted.token(), None)
    assert sight.write == pytest.approx(np.linalg.norm(writes, axis=1), rel=1e-5)
    assert sight.straight == pytest.approx(np.linalg.norm(writes.sum(axis=0)), rel=1e-5)
    assert sight.share == pytest.approx(np.ones(6)), "of the first record: its own usual size"
    assert sight.wrote == pytest.approx(
        writes @ sight.notes_at.T / np.linalg.norm(writes, axis=1)[:, None], abs=1e-5)


def test_notes_that_sound_together_lie_a_fifth_apart():
    random = np.random.default_rng(2)
    ring = random.permutation(12)                           # a chain of neighbours, hidden
    active = np.zeros((600, 12))
    for row in active:
        at = random.integers(11)
        row[ring[at]], row[ring[at + 1]] = random.uniform(0.5, 1.0, 2)
    places = seriated(active)
    assert sorted(places) == list(range(12))
    ways = [(places[ring[k + 1]] - places[ring[k]]) % 12 for k in range(11)]
    assert set(ways) in ({7}, {5})


def test_the_calibration_chooses_notes_from_what_it_reads():
    meter = Meter(small())
    for row in ROWS[:150]:
        meter.learn(*row)
    held = json.loads(json.dumps(meter.pause()))
    other = Meter(small())
    other.resume(held)
    meter.freeze()
    other.freeze()
    assert meter.sight.rehearsed and same(measured(meter), measured(other))
    rows = np.array([s["resid"][meter.sight.lead] for s, _ in ROWS[:150]])
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    random = Sight(small(), Layers(small())).notes_at
    assert (z @ meter.sight.notes_at.T).var() > 1.5 * (z @ random.T).var()


LAYERED = ("resid", "attn", "mlp", "act", "head_norm", "gaze")
SPOKEN = ("heat", "lens", "certainty")    # families that read no layer


def wrong_axis(state):
    """Depth upside down; of heads their numbers; of whole heads their order with one lost."""
    for name in LAYERED:
        state[name] = state[name][..., ::-1] if name == "gaze" else state[name][::-1]
    state["heads"][:, 0] = state["heads"][:, 1]


def off_by_one(state):
    """Every layer's numbers are the next one's."""
    for name in LAYERED:
        state[name] = np.roll(state[name], 1, axis=0)
    state["heads"] = np.roll(state["heads"], 1, axis=2) * np.arange(state["heads"].shape[2])


@pytest.fixture(scope="module", params=[wrong_axis, off_by_one])
def faulty(request, meter):
    """What all families say of the states as they are, and with a fault planted."""
    rows = [(state.copy(), token) for state, token in ROWS[200:330]]
    right = measured(meter, rows)
    for state, _ in rows:
        request.param(state)
    return right, measured(meter, rows)


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in SPOKEN])
def test_a_planted_fault_changes_every_family(faulty, name):
    assert any(a.raw.get(feature) != b.raw.get(feature) for a, b in zip(*faulty, strict=True)
               for feature in FAMILIES[name].names)


@pytest.fixture(scope="module")
def sunk(meter):
    """What all families say at a sink: masked, and not."""
    rows = [(state.copy(), token) for state, token in ROWS[190:335]]
    rows[140][0]["position"] = 2
    frames, before = [], meter.layers.sinks
    try:
        for meter.layers.sinks in ((0, 2), (0,)):
            frames.append(measured(meter, rows)[140])
    finally:
        meter.layers.sinks = before
    return frames


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in SPOKEN])
def test_a_sink_that_is_not_masked_is_told_as_if_it_were_music(sunk, name):
    assert [bool(set(FAMILIES[name].names) & set(frame.raw)) for frame in sunk] == [False, True]
