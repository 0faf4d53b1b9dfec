"""Monitor: calm while the model is sure, rough, bright and driven when it is not; endless, 76 bpm.

needs   stereo out (or none: it renders to a file)
keys    space next section   1-6 mute pad arp bass bell heart alarm
        p prompt   h hold the model   + - temperature   f filter   ! panic
heard   pad: as rough as the last words were surprising; only pentatonic while the alarm is off;
        held as long as the thought turned far
        alarm: a tone, a heart twice as fast, tense chords, from a smoothed place of surprisal
        of 0.69 on and until 0.58: no false alarm in the neutral text's 370 tokens
        brightness and drive of the pad: the surprise of each word   bell: a sentence ended
        arp and bass: new every four bars, from the middle state's axes, as is each section's key
try     + until 1.7 or so: the alarm rings; - again: it ends. To follow a direction instead, add
        directions=("certain",) to the set and listen to Score(("-direction.certain",))
decorative   punctuation: the bell, where a sentence ends
"""
from engine.mapping import Link
from engine.sets import Fx, Part, Set
from mappings.monitor import Line, Monitor, Score
from mappings.music import Entry, Scene
from synths.delay import DELAY
from synths.djfilter import DJFILTER
from synths.drive import DRIVE
from synths.fm import FM
from synths.kick808 import KICK808
from synths.limiter import LIMITER
from synths.pad import PAD
from synths.reverb import REVERB
from synths.string import STRING

SCENES = (
    Scene("still", (8, 16), (Entry("pad"), Entry("heart"), Entry("bass", 4), Entry("arp", 4)),
          then=("awake",)),
    Scene("awake", (16, 24), (Entry("pad"), Entry("heart"), Entry("bass"), Entry("arp"),
                              Entry("bell")), then=("clear",)),
    Scene("clear", (8, 16), (Entry("pad"), Entry("arp"), Entry("bell")), then=("awake", "still")),
)

MUSIC = Monitor(
    SCENES,
    lines=(
        Line("bass", "resid.axis.1", (-24, -21, -19, -17, -14), grid=(0, 10), form="aaba",
             length_steps=7.0, level=0.7),
        Line("arp", "resid.axis.2", (0, 3, 5, 7, 10, 12, 15, 17, 19, 22), onset="attn.mid.write",
             grid=(0, 2, 4, 6, 8, 10, 12, 14), form="aaba", rest=0.4, length_steps=3.0, level=0.55),
    ),
    score=Score(("token.surprisal_nat",), tau=8.0, above=0.69, rearm=0.58),
    alarmed=(("pad.detune_cents", 9.0, 30.0), ("alarm.bright", 0.2, 0.8)),
)

LINKS = (
    #    feature             reads       target              writes        curve  rise  fall
    Link("token.surprisal",  (0.0, 1.0), "pad.cutoff_hz",    (700, 9000),  "exp", 0.25, 1.2),
    Link("token.surprisal",  (0.0, 1.0), "pad_drive.mix",    (0.0, 0.7),   "lin", 0.25, 1.2),
    Link("token.entropy",    (0.0, 1.0), "arp.brightness",   (0.3, 0.9),   "lin", 0.1,  0.6),
    Link("token.margin",     (0.1, 0.9), "arp.reverb_send",  (0.5, 0.15),  "lin", 0.3,  1.0),
)

SET = Set(
    model="embedded", bpm=76, seed=7, tokens_per_bar=8, temperature=1.0, top_p=0.99,
    prompt="The night was warm, and down by the harbour the music began.",
    parts={
        "pad":   Part(PAD, voices=16, inserts=(Fx(DRIVE, drive_db=26.0, mix=0.0, level_db=-6.0),),
                      level_db=-5.5, detune_cents=9.0, attack_s=0.25, release_s=2.5,
                      reverb_send=0.35),
        "arp":   Part(STRING, voices=12, level_db=1.0, pan=0.2, delay_send=0.3, reverb_send=0.3),
        "bass":  Part(FM, voices=2, level_db=-3.0, ratio=1.0, index=0.8, decay_s=4.0,
                      attack_s=0.02),
        "bell":  Part(FM, voices=4, level_db=-4.0, pan=-0.3, ratio=3.5, index=1.5, decay_s=5.0,
                      reverb_send=0.5),
        "heart": Part(KICK808, voices=2, level_db=0.0, tune_hz=44.0, decay_s=0.4, tone=0.1),
        "alarm": Part(FM, voices=2, level_db=-5.0, pan=0.35, ratio=2.0, index=3.0, decay_s=0.5,
                      bright=0.2, delay_send=0.2),
    },
    sends={"delay": Fx(DELAY, level_db=-4.0, beats=0.75), "reverb": Fx(REVERB, decay_s=4.5)},
    master=(DJFILTER,), limiter=LIMITER,
    out_level_db=3.5,
    links=LINKS, music=MUSIC,
)
