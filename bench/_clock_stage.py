"""A stage whose clock leaves as MIDI: the house set, a busy Python thread, the model generating.

`python -m bench._clock_stage jack|rtmidi SECONDS BPM GOAL_BPM PATTERN MODEL` prints one JSON
object: the tempo map as the clock had it, and what was counted. Another GOAL_BPM than BPM: a ramp
over the whole time. Thread: control.
"""
import json
import sys
import threading
import time

from bench._stage import burn
from engine import session
from engine.performance import Options

WARM_S = 2.0


def play(back_end, seconds, bpm, goal_bpm, pattern, model):
    stop = threading.Event()
    options = Options(set="house", model=model, bpm=bpm, clock=True, midi_out=(pattern,),
                      audio="jack" if back_end == "jack" else "null")
    with session.play(options) as live:
        threading.Thread(target=burn, args=(stop,), daemon=True).start()
        if goal_bpm != bpm:
            bars = seconds * (bpm + goal_bpm) / 2 / 240.0
            live.ask(lambda: live.conductor.transport.tempo(goal_bpm, bars))
        time.sleep(seconds + WARM_S)
        stop.set()
        tokens = live.conductor.source.next_seq
        counters = live.stream.counters() | live.connections.counters()
        rows = live.conductor.clock.rows[:, :3].tolist()
    return {"rows": rows, "rate_hz": options.rate_hz, "tokens": tokens, "counters": counters,
            "scheduling": live.stream.scheduling}


if __name__ == "__main__":
    _, back_end, seconds, bpm, goal, pattern, model = sys.argv
    found = play(back_end, float(seconds), float(bpm), float(goal), pattern, model)
    sys.stdout.write(json.dumps(found) + "\n")
