"""The C function that the back ends call. To import it compiles the rig; `engine.object_code`
does so when the cache does not have it. Thread: audio.
"""
from numba import cfunc, types

from engine.rig import run


@cfunc(types.void(types.int64, types.int64, types.int64))
def process(rig, out, frames):
    """Writes `frames` frames of a rig."""
    run(rig, out, frames)
