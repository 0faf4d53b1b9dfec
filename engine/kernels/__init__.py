"""Compiled pieces that several sounds or the rig share: shapes, filters, delay lines, meters.
Thread: audio."""
