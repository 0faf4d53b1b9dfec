"""Files of other programs, read with care: each file one format. Thread: control."""
