"""python -m studies.prove SET [BARS]: fidelity alone, until the command has it. Thread: control."""
import json
import sys
import time

from engine import sets
from engine.mapping import read_by
from engine.model.supervisor import Supervised
from engine.performance import meter_class, prepare, worker_settings
from engine.records import PROMPT
from engine.source import Source
from studies.prove import fidelity


def say(share, words=""):
    sys.stderr.write(f"\r{100 * share:3.0f} % {words}    ")


def main(name, count="8"):
    made = sets.load(name)
    prepare(made, say)
    supervised = Supervised(worker_settings(made, None), reserve=False).start()
    source = Source(supervised)
    source.wait_ready()
    meter = meter_class()(supervised.descriptor, read_by(made))
    source.calibrate(meter)

    def frames_of(prompt, count):
        while True:
            supervised.control(PROMPT, text=prompt, after_seq=-1)
            meter.forget()
            found, lost = [], supervised.restarts
            while len(found) < count and supervised.restarts == lost:
                pair = supervised.front()
                if pair is None:
                    source.poll()
                    time.sleep(0.0005)
                    continue
                if int(pair[0]["seq"]) >= 0:
                    found.append(meter.measure(*pair))
                supervised.pop()
            if len(found) == count:
                return found
    prompts = {domain: texts[:int(count)] for domain, texts in fidelity.domains().items()}
    try:
        result = fidelity.measure(made, meter.names, frames_of, say, prompts)
    finally:
        supervised.stop()
    sys.stderr.write("\n")
    for row in result["features"]:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.write(json.dumps(result["domains"]) + "\n")


main(*sys.argv[1:])
