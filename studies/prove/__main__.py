"""python -m studies.prove SET [PROMPTS]: fidelity alone, for whoever tunes a set."""
import json
import sys

from engine import sets
from engine.performance import prepare
from studies.prove import fidelity, rehearse


def say(share, words=""):
    sys.stderr.write(f"\r{100 * share:3.0f} % {words}    ")


def main(name, count="8"):
    made = sets.load(name)
    prepare(made, say)
    model = rehearse.Model(made, say)
    prompts = {domain: texts[:int(count)] for domain, texts in fidelity.domains().items()}
    try:
        result = fidelity.measure(made, model.meter.names, model.frames_of, say, prompts)
    finally:
        model.close()
    for row in result["features"]:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.write(json.dumps(result["domains"]) + "\n")


main(*sys.argv[1:])
