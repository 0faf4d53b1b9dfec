"""`hiddenstage features`: every feature with unit, range, tier and cost."""
import json

import pytest

from engine.cli import main
from mappings.features import NAMES


def said(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["features", *words])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_every_feature_is_listed(capsys):
    rows = json.loads(said(capsys, "--no-costs", "--json"))["features"]
    assert [row["name"] for row in rows] == list(NAMES)
    by_name = {row["name"]: row for row in rows}
    assert by_name["token.surprisal_nat"]["unit"] == "nat"
    assert (by_name["key.tonic_st"]["low"], by_name["key.tonic_st"]["high"]) == (0, 11)
    assert by_name["voices.contrary"]["tier"] == "T4" and by_name["resid.mid.turn"]["unit"] == ""
    assert all(row["family_us"] is None for row in rows), "nothing was measured, no number"
    assert all(row["tier"] in ("T0", "T1", "T2", "T3", "T4", "lens") for row in rows)


def test_costs_are_measured(capsys):
    text = said(capsys)
    assert all(name in text for name in NAMES) and "us a token at 28 layers" in text
    cells = [line.split() for line in text.splitlines()[1:len(NAMES) + 1]]
    priced = [cell for cell in cells if cell[-1].replace(".", "").isdecimal()]
    assert len(priced) == len(NAMES) and all(0.0 < float(c[-1]) < 1e5 for c in priced)
