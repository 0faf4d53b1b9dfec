"""Jitter of the MIDI clock that leaves, against the tempo map, as another JACK client stamps it.

The house set plays with a busy Python thread beside it and the model generating. Back-end `jack`
writes the clock in the audio callback; `rtmidi` sends it from the wires process (through a JACK
port here, and with no sound device). A tick's error is its frame against the place of that tick on
the map. Where the server itself leaves out cycles, sound and clock move together: those
whole periods are taken out, and counted. Then the stage follows: a MIDI clock on JACK that carries
an error (not when quick), and a Link session in a network of its own. Thread: control.
"""
import json
import subprocess
import sys

import numpy as np

from bench import _follow, _link
from bench.jack import JackServer
from bench.jack_peer import Peer
from engine.errors import EngineError

TEMPOS = ((40.0, 40.0), (128.37, 128.37), (240.0, 240.0), (100.0, 160.0))
QUICK_S, PATIENCE_S, SETTLE_TICKS, MOST_MISSED = 8.0, 400.0, 8, 24
MOST_P999_MS = 0.05
LINK_S, MOST_RMS_MS, MOST_GAP_MS, MOST_JOIN_S, MOST_SKEW_MS = 20.0, 1.0, 10.0, 2.0, 0.5
TICK, START = 0xF8, 0xFA


def stage(back_end, seconds, bpm, goal_bpm, model):
    """What the stage said, and what the peer heard."""
    peer = Peer("follower", seconds + PATIENCE_S, midi=["-"])
    line = (sys.executable, "-m", "bench._clock_stage", back_end, str(seconds), str(bpm),
            str(goal_bpm), "follower:midi_1", model)
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        peer.kill()
        raise EngineError(f"bench clock: the {back_end} stage did not end") from None
    heard = peer.finish()
    if done.returncode:
        raise EngineError(f"bench clock: the {back_end} stage failed: "
                          f"{(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1]), heard


def places(rows, rate_hz, count):
    """Where the first `count` ticks stand on a tempo map, samples."""
    rows, steps = np.array(rows), np.arange(count) / 6.0
    at = np.searchsorted(rows[:, 0], steps + 1e-9, "right") - 1
    return rows[at, 1] + (steps - rows[at, 0]) * rate_hz * 15.0 / rows[at, 2]


def explained(frame, ideal, last, period, least, most):
    """(place of a tick, frames that the server left out before it, in whole periods from `least` to
    `most`; below 0 where what seemed left out was late): the next place and none where that is
    half a period off at most, else what explains it best."""
    ways = []
    for place in range(max(last, 0), min(last + 2 + MOST_MISSED, len(ideal))):
        left_out = min(max(round((frame - ideal[place]) / period) * period, least), most)
        unlikely = 0 if place == last + 1 and not left_out else period / 2
        ways.append((abs(frame - ideal[place] - left_out) + unlikely + abs(place - last - 1),
                     place, left_out))
    return min(ways)[1:]


def judged(said, heard):
    """Errors of the ticks, ms; missing ones, and those of them that no cycle explains which the
    server left out for the peer."""
    events, rate_hz, period = heard["events"], said["rate_hz"], heard["period"]
    status = events["data"][:, 0]
    begun = np.flatnonzero(status == START)
    if not len(begun):
        raise EngineError("bench clock: no start was heard")
    frames = events["frame"][begun[0]:][status[begun[0]:] == TICK].astype(float)
    ideal = places(said["rows"], rate_hz, len(frames) + 256)
    ideal -= ideal[0]
    begin = moved = np.median(frames[:SETTLE_TICKS] - ideal[:SETTLE_TICKS])
    found = []
    gaps = heard["gaps"] + said["counters"]["late_blocks"]         # for the peer, for the stage
    for frame in frames:
        last = found[-1][0] if found else -1
        place, left_out = explained(frame - moved, ideal, last, period, begin - moved,
                                    np.inf if gaps > 0 else 0)
        moved, gaps = moved + left_out, gaps - (left_out > 0)
        found.append((place, frame - moved - ideal[place]))
    placed, errors = map(np.array, zip(*found, strict=True))
    errors_ms = errors[SETTLE_TICKS:] / rate_hz * 1e3
    errors_ms -= np.median(errors_ms)
    slope = np.polyfit(frames[SETTLE_TICKS:] / rate_hz, errors_ms, 1)[0]
    quantile = {f"p{name}_ms": round(float(np.quantile(np.abs(errors_ms), share)), 4)
                for name, share in (("50", 0.5), ("99", 0.99), ("999", 0.999))}
    missing = int(placed[-1]) + 1 - len(np.unique(placed))
    return quantile | {
        "max_ms": round(float(np.abs(errors_ms).max()), 4), "ticks": len(frames),
        "missing": missing, "lost": max(0, missing - int(heard["gaps"])),
        "doubled": len(placed) - len(np.unique(placed)), "drift_ppm": round(float(slope) * 1e3, 2),
        "server_gaps": int(heard["gaps"]), "late_blocks": said["counters"]["late_blocks"],
        "tokens": said["tokens"]}


def followed(quick, model):
    """What the stage made of other clocks, and whether that is good enough."""
    found, holds = {}, {}
    if not quick:
        found["clock_in"] = one = _follow.measure(model)
        holds[f"clock in, +-{_follow.JITTER_MS:g} ms: phase RMS at most {MOST_RMS_MS:g} ms"] = all(
            one[part]["rms_ms"] <= MOST_RMS_MS for part in ("jitter", "faster"))
        holds["clock in: two lost beats are ridden through"] = (
            one["drop_out"]["max_ms"] <= MOST_GAP_MS)
    if reason := _link.missing():
        found["link"] = {"missing": reason}
    else:
        found["link"] = one = _link.measure(QUICK_S if quick else LINK_S)
        holds[f"Link: joined within {MOST_JOIN_S:g} s"] = one["joined_s"] <= MOST_JOIN_S
        holds[f"Link: beat skew p99 at most {MOST_SKEW_MS:g} ms"] = max(
            one["session_p99_ms"], one["heard_p99_ms"]) <= MOST_SKEW_MS
    return found, holds


def run(quick=False, seconds=60.0, model="embedded"):
    """Both back-ends at each tempo, one after the other, on one server."""
    if reason := JackServer.missing():
        raise EngineError(f"bench clock needs a JACK server: {reason}")
    seconds = QUICK_S if quick else seconds
    server, found = JackServer(real_time=True).start(), {}
    try:
        for back_end in ("jack", "rtmidi"):
            found[back_end] = {}
            for bpm, goal in TEMPOS:
                name = f"{bpm:g}" if bpm == goal else f"{bpm:g}-{goal:g}"
                found[back_end][name] = judged(*stage(back_end, seconds, bpm, goal, model))
    finally:
        server.close()
    ours, (others, follows) = found["jack"].values(), followed(quick, model)
    return {"seconds": seconds, **found, **others, "holds": follows | {
        f"jack: p99.9 of a tick's error at most {MOST_P999_MS} ms": all(
            one["p999_ms"] <= MOST_P999_MS for one in ours),
        "jack: no tick lost or doubled": not any(one["lost"] or one["doubled"] for one in ours),
        "jack: no drift against the sample clock": all(abs(one["drift_ppm"]) < 1 for one in ours)}}


def table(result):
    """The result for a terminal."""
    columns = ("p50_ms", "p99_ms", "p999_ms", "max_ms", "ticks", "missing", "lost", "server_gaps",
               "drift_ppm")
    lines = [f"{'':18}" + "".join(f"{name:>12}" for name in columns)]
    for back_end in ("jack", "rtmidi"):
        for tempo, one in result[back_end].items():
            lines.append(f"{back_end:7}{tempo:>11}" + "".join(
                f"{one[name]:>12g}" for name in columns))
    for name, one in result.get("clock_in", {}).items():
        if isinstance(one, dict):
            lines.append(f"clock in {name:>9}   rms {one['rms_ms']:g} ms, max {one['max_ms']:g} ms")
    lines.append("Link   " + ", ".join(f"{name} {value}" for name, value in result["link"].items()
                                       if not isinstance(value, dict | list)))
    lines += [f"{'holds' if held else 'FAILS'}: {text}" for text, held in result["holds"].items()]
    return "\n".join(lines)
