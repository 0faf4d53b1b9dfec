"""The honesty suite: whether what is heard is the model. Thread: control.

Only events that the model decided count: the grammar's kick is no evidence. `table` says what a
mapping is; the tests are in `causality`, `nulls`, `confounds`, `information`, `audible` and
`fidelity`; `run` runs them all.
"""


def prove(*arguments, **named):
    """`studies.prove.run.prove`, imported when it is called."""
    from studies.prove.run import prove as run
    return run(*arguments, **named)


__all__ = ["prove"]
