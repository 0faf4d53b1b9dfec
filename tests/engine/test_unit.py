"""The kernel cache: a voice in a user's file compiles alone, and again only when it changes."""
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import ParamError
from engine.sounds import sound

ROOT = Path(__file__).parents[2]
PLAY = """
import json, sys, time
from engine import sets
from engine.parts import Part
from engine.sounds import sound
from engine.table import Rig, Table
from numba.core import event
compiled = []
class Heard(event.Listener):
    def on_start(self, e):
        compiled.append(str(e.data["dispatcher"].py_func.__name__))
    def on_end(self, e):
        pass
event.register("numba:compile", Heard())
Rig(48000, 2, sets.default_limiter()).load(
    Table({name: Part(sound(name)) for name in sys.argv[1:]}))
print(json.dumps(compiled))
"""


def compiled(*names):
    """What a fresh process compiles in order to have these sounds in a rig."""
    done = subprocess.run((sys.executable, "-c", PLAY, *map(str, names)), capture_output=True,
                          text=True, cwd=ROOT, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "random.py"                 # and no file hides a module of its name
    text = (ROOT / "synths" / "fm.py").read_text()
    text = text.replace('Voice("fm"', f'Voice("own{os.getpid()}"')
    path.write_text(text + f"\n# {tmp_path}\n")
    return path


def test_a_users_voice_compiles_alone_and_once(own):
    compiled("string", "kick")
    first = compiled("string", "kick", own)
    assert not {"quantum", "play_part", "take_events"} & set(first)
    assert first.count("render") == 1             # its own
    assert compiled("string", "kick", own) == []
    own.write_text(own.read_text() + "# changed\n")
    assert compiled("string", "kick", own).count("render") == 1


@pytest.mark.parametrize(("more", "said"), [
    ({"shape": "circle"}, "time, lanes, wide"), ({"oversample": 3}, "oversample 1 or 2"),
    ({"narrow": True}, "narrow=True, not 'time'")])
def test_a_voice_of_no_known_shape_is_refused(more, said):
    with pytest.raises(ParamError, match=f"voice 'fm': .*{said}"):
        replace(sound("fm"), **more)
