"""Records made by hand: a small model's rows, and a meter calibrated on them. Thread: control."""
import numpy as np

from engine import records
from mappings.features import Meter

LAYERS, WIDTH, UNITS = 6, 32, 48
MODEL = records.Descriptor("planted", LAYERS, WIDTH, (UNITS,) * LAYERS, 4, 100, 128, "abc")


def state(random, seq=1, flags=0):
    """A whole STATE row of a random walk through the layers; position 0 only where flags say so."""
    row = np.zeros((), records.state_dtype(MODEL))
    row["seq"], row["position"], row["flags"], row["valid"] = seq, seq, flags, 1
    row["attn"] = random.normal(size=(LAYERS, WIDTH)) * random.lognormal(0, 0.3, (LAYERS, 1))
    row["mlp"] = random.normal(size=(LAYERS, WIDTH)) * random.lognormal(0, 0.3, (LAYERS, 1))
    row["act"] = random.normal(size=(LAYERS, UNITS)) ** 3
    start = random.normal(size=(1, WIDTH))
    row["resid"] = np.concatenate([start, start + np.cumsum(row["attn"] + row["mlp"], axis=0)])
    return row


def token(text=" word", seq=1, flags=0, surprisal_nat=2.0, entropy_nat=3.0, margin_nat=1.0):
    """A TOKEN row."""
    row = np.zeros((), records.TOKEN)
    spelled = text.encode()[:records.TEXT_BYTES]
    row["seq"], row["flags"], row["text_bytes"] = seq, flags, len(spelled)
    row["text"][:len(spelled)] = np.frombuffer(spelled, np.uint8)
    for name, nat in (("surprisal_nat", surprisal_nat), ("entropy_nat", entropy_nat),
                      ("margin_nat", margin_nat)):
        row[name] = nat
    return row


def stream(seed, count, words=(" The", " tide", " went", " out", ".")):
    """`count` pairs of rows."""
    random = np.random.default_rng(seed)
    rows = []
    for seq in range(1, count + 1):
        word = words[seq % len(words)]
        rows.append((state(random, seq), token(word, seq, 0, *random.exponential(2.0, 3))))
    return rows


def calibrated(rows, profile=None, wanted=()):
    """A frozen meter that has learned `rows`, or one with a loaded profile.

    wanted  what it measures beside the core; None: everything
    """
    meter = Meter(MODEL, wanted)
    if profile is not None:
        meter.load_profile(profile)
        return meter
    for state_row, token_row in rows:
        state_row, token_row = state_row.copy(), token_row.copy()
        state_row["flags"] |= records.CALIBRATION
        meter.learn(state_row, token_row)
    meter.freeze()
    return meter


def frames(meter, rows):
    """All frames of `rows`, in order."""
    return [meter.measure(state_row, token_row) for state_row, token_row in rows]


def streaming(kind, layers=6, width=32, heads=4, tiers=records.TIERS, chosen=(3,), context=128):
    """(a family that streams, its Sight) of a model of that shape, standardised by nothing."""
    from mappings.features.layers import Layers
    from mappings.features.sight import Sight
    shape = records.Descriptor("planted", layers, width, (UNITS,) * layers, heads, 100, context,
                               "abc", tiers, (), chosen)
    sight = Sight(shape, Layers(shape))
    family = kind(shape, sight)
    sight.scores.begin()
    sight.standard(np.zeros((layers + 1, width)), np.ones((layers + 1, width)))
    sight.events, sight.rows, sight.marks = [], {}, None
    return family, sight


def blank(sight, position=9):
    """A STATE row of that model, all of it there, all of it 0."""
    row = np.zeros((), records.state_dtype(sight.model))
    row["valid"], row["position"], row["seq"] = 1, position, position
    return row


def written(sight, writes, start=None, position=9):
    """A STATE row of which block l writes writes[l], (layers, width)."""
    row = blank(sight, position)
    begin = np.zeros(sight.width) if start is None else start
    row["resid"] = np.concatenate([begin[None], begin + np.cumsum(writes, axis=0)])
    return row


def valued(family, sight):
    """The values of the record last seen, by name."""
    out = np.full(len(family.names), np.nan)
    family.value(sight, out)
    return dict(zip(family.names, out.tolist(), strict=True))
