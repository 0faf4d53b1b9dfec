"""The embedded model: its text, its training, its report. Thread: control."""
