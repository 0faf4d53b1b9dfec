"""The commands about ports, controls and layouts. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""


def add(app):
    """Gives the commands of this file to the command line."""
    for command in ():
        app.command()(command)
