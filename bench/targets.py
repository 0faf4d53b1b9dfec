"""One take on two processor targets: how far its audio differs when the kernels are compiled anew.

The host's own target against numba's `generic` (no AVX, no fused multiply-add). Thread: control.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BARS, QUICK_BARS = 32, 8
REPLAY = "import sys; from engine.session import replay; replay(sys.argv[1], sys.argv[2])"


def run(quick=False, bars=None, target="generic"):
    """The null of a replay on `target` against the render, dBFS."""
    import soundfile

    from engine.errors import EngineError
    from engine.session import Options, render
    with tempfile.TemporaryDirectory() as folder:
        here, there, take = (Path(folder) / n for n in ("host.wav", "target.wav", "a.take"))
        render(Options(bars=int(bars or (QUICK_BARS if quick else BARS)), out=str(here),
                       record=str(take)))
        done = subprocess.run([sys.executable, "-c", REPLAY, str(take), str(there)],
                              env={**os.environ, "NUMBA_CPU_NAME": target},
                              capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"the replay on {target!r} failed: {done.stderr.strip()[-200:]}")
        one, two = (soundfile.read(path)[0] for path in (here, there))
    worst = float(np.abs(one - two).max())
    return {"target": target, "null_dbfs": 20 * np.log10(max(worst, 2.0 ** -24)),
            "samples": len(one), "ok": worst < 1e-5}


def table(result):
    """The result as lines."""
    return (f"{'ok ' if result['ok'] else 'NO '} null of the host against {result['target']}: "
            f"{result['null_dbfs']:.1f} dBFS over {result['samples']} samples")
