"""A fraud, kept to be caught: a random generator decides every note, whatever it says.

needs   `hiddenstage prove sets/frauds/dice.py`, which must fail
"""
from engine.sets import Part, Set
from mappings.frauds import Fraud
from synths.fm import FM
from synths.limiter import LIMITER
from synths.string import STRING

SET = Set(
    model="embedded", bpm=120, seed=7, tokens_per_bar=8,
    prompt="The night was warm, and down by the harbour the music began.",
    parts={"lead": Part(STRING, voices=8), "bass": Part(FM, voices=4)},
    limiter=LIMITER, music=Fraud("dice"),
)
