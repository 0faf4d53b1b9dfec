"""What the whole house set costs the audio thread, and how fast a take replays.

The rig alone is timed, at 48 kHz and 128 frames, on the events of a real render. Thread: control.
"""
import tempfile
import time
from pathlib import Path

import numpy as np

BARS, QUICK_BARS, REPEATS = 64, 16, 5


def rig_share(take, block, repeats=REPEATS):
    """Processor seconds a second of audio, each repeat, rig and events only."""
    from engine import sets
    from engine.render import caller
    from engine.table import Rig
    made = sets.read(take.tables[0]["source"], take.tables[0]["name"])
    fields, found = ("length", "flags", "pitch_hz", "level", "rise_s", "fall_s"), []
    for _ in range(repeats):
        rig = Rig(take.head["rate_hz"], 4, made.limiter)
        rig.load(made.table(take.tables[0]["noise_seed"]))
        play, buffer = caller(rig), np.zeros((block, rig.channels), np.float32)
        spent, position, at = 0.0, 0, 0
        while position < take.samples:
            while at < len(take.events) and take.events[at]["sample"] < position + 48000:
                row = take.events[at]
                rig.push(int(row["sample"]), int(row["kind"]), 0, int(row["part"]),
                         **{name: row[name] for name in fields})
                at += 1
            begin = time.thread_time()
            for _ in range(0, 24000, block):
                play(buffer, block)
                position += block
            spent += time.thread_time() - begin
            rig.collect()
        found.append(spent / (position / take.head["rate_hz"]))
    return found


def run(quick=False, bars=None, set="house", block=128):
    """Share of one core (median of repeats), and how much faster than real time a replay is."""
    from engine.journal import Take
    from engine.session import Options, render, replay
    with tempfile.TemporaryDirectory() as folder:
        path, wav = str(Path(folder) / "a.take"), str(Path(folder) / "a.wav")
        first = render(Options(set=set, bars=int(bars or (QUICK_BARS if quick else BARS)),
                               out=wav, record=path))
        shares = rig_share(Take(path), int(block), 2 if quick else REPEATS)
        speeds = [replay(path, wav, Options())["times_real_time"] for _ in range(3)]
    share = float(np.median(shares))
    return {"set": set, "block": int(block), "share_of_core": share, "shares": shares,
            "replay_times_real_time": float(np.median(speeds)),
            "render_times_real_time": first["times_real_time"],
            "ok": share <= 0.05 and np.median(speeds) >= 20.0}


def table(result):
    """The result as lines."""
    return (f"{'ok ' if result['ok'] else 'NO '} {result['set']}: "
            f"{100 * result['share_of_core']:.2f} % of one core at {result['block']} frames, "
            f"replays {result['replay_times_real_time']:.0f} times faster than real time, "
            f"renders {result['render_times_real_time']:.0f} times")
