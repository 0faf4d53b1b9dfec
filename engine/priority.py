"""What the system grants a thread that must not wait. Thread: control."""
import os

PRIORITY = 60                             # above what JACK gives its clients
LIFTED = 10                               # above all that computes, below all that sounds


def promote(thread_id):
    """Asks for real-time priority, and one core where there are four; says what was granted."""
    if not hasattr(os, "sched_setscheduler"):
        return "as the system gives"
    try:
        if os.sched_getscheduler(thread_id) not in (os.SCHED_FIFO, os.SCHED_RR):
            os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(PRIORITY))
        cores = sorted(os.sched_getaffinity(thread_id))
        if len(cores) >= 4:
            os.sched_setaffinity(thread_id, cores[-1:])
            return f"real time, core {cores[-1]}"
        return "real time"
    except OSError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, thread_id, -11)
        return "high priority"
    except OSError:
        return "ordinary priority"


def lift():
    """Asks for real-time priority for this thread, not for those it starts; True when granted.

    Beside a busy model an ordinary process waited 0.4 s for a core; one in a session of its own
    gains nothing by a lower niceness.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(LIFTED))
    except (OSError, AttributeError):
        return False
    return True
