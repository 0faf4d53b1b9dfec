"""What the model does, in musical terms: records in, calibrated frames out. Thread: control.

One family of features a file.
"""
from mappings.features.meter import NAMES, Meter

__all__ = ["NAMES", "Meter"]
