"""Acoustic: how rough, how harmonic and how tonal sounding pitches are; no model takes part.

roughness          of partials (Plomp and Levelt 1965; Sethares 1993), a minor second = its own
harmonic_entropy   of a dyad, nat (Erlich)
tonal_vector       tonal-interval vector of twelve weights (Bernardes et al. 2016)

|T| is the same for major and minor: it cannot tell mode. Latent and acoustic tension are two
things, shown side by side. Thread: control.
"""
from math import gcd

import numpy as np

from engine.rt import rt_host

WEIGHTS = np.array([2.0, 11.0, 17.0, 16.0, 19.0, 7.0])
WIDTH_CENTS, LARGEST = 17.23, 10000       # 1 % of a frequency; n d of the ratios


@rt_host
def pairs(hz, level):
    """Sum over pairs of partials of the roughness of two tones."""
    found = 0.0
    for i in range(len(hz)):
        for j in range(i + 1, len(hz)):
            low = min(hz[i], hz[j])
            x = 0.24 / (0.0207 * low + 18.96) * abs(hz[i] - hz[j])
            found += min(level[i], level[j]) * 5.0 * (np.exp(-3.51 * x) - np.exp(-5.75 * x))
    return found


def roughness(hz, level):
    """Roughness of partials, arrays of Hz and level."""
    return pairs(np.asarray(hz, np.float64), np.asarray(level, np.float64))


def partials(pitches_hz, count=6, decay=0.88):
    """(Hz, level) of the partials of several notes: level decay ** n."""
    n = np.arange(1, count + 1)
    hz = np.concatenate([pitch * n for pitch in pitches_hz])
    return hz, np.tile(decay ** (n - 1), len(pitches_hz))


def ratios():
    """(cents, weight) of coprime n/d with n d up to 10,000, of an octave and its surroundings."""
    found = [(1200.0 * np.log2(n / d), (n * d) ** -0.5) for d in range(1, LARGEST + 1)
             for n in range(1, LARGEST // d + 1) if gcd(n, d) == 1]
    return np.array(found).T


_RATIOS = []


def harmonic_entropy(cents):
    """Entropy of which ratio a dyad is heard as, nat."""
    if not _RATIOS:
        _RATIOS.append(ratios())
    places, weights = _RATIOS[0]
    share = weights * np.exp(-0.5 * ((cents - places) / WIDTH_CENTS) ** 2)
    share = share[share > 0.0] / share.sum()
    return float(-(share * np.log(share)).sum())


def tonal_vector(chroma):
    """Six complex numbers of twelve weights; their norm is the tonality."""
    chroma = np.asarray(chroma, np.float64)
    k = np.arange(12)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(1, 7), k) / 12.0)
    return WEIGHTS * (turns @ (chroma / chroma.sum()))
