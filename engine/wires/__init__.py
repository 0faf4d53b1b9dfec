"""What joins the stage to the outside: OSC, MIDI ports, Link, discovery, in a process of their own.
Thread: control."""
