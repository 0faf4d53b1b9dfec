"""Confounds: no control follows the token's position, the prompt's length or the layer's number,
unless it says so. Thread: control."""
import math

import numpy as np

from studies.prove import stats
from studies.prove.causality import note_rates
from studies.prove.table import layer_of

LIMIT, LUCK = 0.3, 0.05
TRIES = 200
SAYS_SO = ("_age_tokens", "position", "depth")    # a feature whose name says what it follows


def declares(m, what, claims):
    """Whether a mapping says that it follows a position, a length or a layer."""
    declared = (claims or {}).get("declared", {})
    return what in declared.get(m.name, ()) or what in declared.get(
        getattr(m.row, "target", ""), ()) or (
            what == "position" and any(word in name for name in m.reads for word in SAYS_SO))


def rows_of(m, scores):
    """{control: [(place 0.., value) rows of each text]} of a mapping's tension-like controls."""
    if m.kind == "link":
        rows = [m.shares(score) for score in scores]
        return {"value": [np.column_stack([np.arange(len(r)), r])[np.isfinite(r)][::2]
                          for r in rows]}
    # a text's first record has no features, so its first bar lacks notes whatever the music
    rates = [[row for row in note_rates(m, score) if row[0]] for score in scores]
    return {"rate": _within(rates, 2), "level": _within(rates, 3)}


def _within(rates, column):
    """A column of `note_rates` less the median of its section: what a scene fixes is the form's."""
    sums = {}
    for rows in rates:
        for row in rows:
            sums.setdefault(row[1], []).append(row[column])
    usual = {section: float(np.median(values)) for section, values in sums.items()}
    return [np.array([(row[0], round(row[column] - usual[row[1]], 6)) for row in rows]).reshape(
        -1, 2) for rows in rates]


def position(texts, random):
    """(rho, p) of values against their place, over all texts; p against turned rows."""
    places = np.concatenate([t[:, 0] for t in texts])
    values = [t[:, 1] for t in texts]
    rho = stats.spearman(places, np.concatenate(values))
    if math.isnan(rho) or abs(rho) <= LIMIT:
        return rho, 1.0
    turned = [stats.spearman(places, np.concatenate([
        np.roll(v, random.integers(max(1, len(v)))) for v in values])) for _ in range(TRIES)]
    return rho, stats.beyond_luck(rho, turned)


def length(texts, lengths, random):
    """(rho, p) of values against their text's prompt length; p against exchanged lengths."""
    values = np.concatenate([t[:, 1] for t in texts])
    sizes = [len(t) for t in texts]
    rho = stats.spearman(np.repeat(lengths, sizes), values)
    if math.isnan(rho) or abs(rho) <= LIMIT:
        return rho, 1.0
    others = [stats.spearman(np.repeat(random.permutation(lengths), sizes), values)
              for _ in range(TRIES)]
    return rho, stats.beyond_luck(rho, others)


def layers(m, scores):
    """rho of the level of notes against the layer that their cause names; NaN where none does."""
    rows = [(layer_of(n), n.level) for score in scores for n in m.notes(score)
            if layer_of(n) is not None]
    return stats.spearman(*zip(*rows, strict=True)) if rows else math.nan


def examine(mappings, scores, lengths, claims):
    """Adds the three checks to each mapping."""
    random = np.random.default_rng(1)
    for m in mappings:
        controls = rows_of(m, scores)
        for what, of in (("position", lambda t: position(t, random)),
                         ("prompt length", lambda t: length(t, lengths, random))):
            found = {name: of(texts) for name, texts in controls.items()
                     if sum(map(len, texts)) > 8}
            _add(m, what, found, declares(m, what, claims))
        rho = layers(m, scores)
        _add(m, "layer", {} if math.isnan(rho) else {"level": (rho, 0.0)},
             declares(m, "layer", claims))


def _add(m, what, found, declared):
    found = {name: pair for name, pair in found.items() if math.isfinite(pair[0])}
    test, limit = f"follows the {what}", f"|rho| <= {LIMIT}"
    if not found:
        m.add(test, None, limit, None, "nothing to follow it with")
        return
    name, (rho, p) = max(found.items(), key=lambda item: abs(item[1][0]))
    bad = any(abs(r) > LIMIT and q < LUCK for r, q in found.values())
    luck = f"; luck, p = {p:.2f} over the texts" if abs(rho) > LIMIT and p >= LUCK else ""
    m.add(test, rho, limit, declared or not bad,
          f"by its {name}{luck}{'; declared' if declared and abs(rho) > LIMIT else ''}")
