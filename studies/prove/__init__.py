"""The honesty suite: whether what is heard is the model. Thread: control."""
