"""What one sender may ask for, and what all of them may cost. Thread: control (wires process)."""
RATE_HZ, BURST, MOST_SENDERS = 5000.0, 2000.0, 4096
SHARE, STORE_S = 0.6, 0.1                 # of a core; what may be used at once


class Budget:
    """So many a second, and so many at once."""

    def __init__(self, rate_hz, burst, now_s):
        self.rate_hz, self.burst, self.left, self.at_s = rate_hz, burst, burst, now_s

    def take(self, now_s, count=1):
        """False when nothing is left; what is taken may go below nothing."""
        left = min(self.burst, self.left + (now_s - self.at_s) * self.rate_hz)
        self.at_s, self.left = now_s, left - count if left >= 1.0 else left
        return left >= 1.0


class Senders:
    """A budget for each sender; no more of them than `MOST_SENDERS`, the oldest go."""

    def __init__(self):
        self._budgets = {}

    def of(self, sender, now_s):
        found = self._budgets.get(sender)
        if found is None:
            if len(self._budgets) >= MOST_SENDERS:
                self._forget(now_s)
            found = self._budgets[sender] = Budget(RATE_HZ, BURST, now_s)
        return found

    def _forget(self, now_s):
        """Those that were silent for a second lose nothing by it; else the older half goes."""
        kept = {s: b for s, b in self._budgets.items() if now_s - b.at_s < BURST / RATE_HZ}
        if len(kept) >= MOST_SENDERS // 2:
            kept = dict(list(kept.items())[MOST_SENDERS // 2:])
        self._budgets = kept


class Duty:
    """The share of a core that reading may take: a flood costs what it costs, and no more."""

    def __init__(self, now_s):
        self.left_s, self.at_s = STORE_S, now_s

    def rest_s(self, now_s, spent_s):
        """How long to leave the socket alone after so much work; 0 for not at all."""
        self.left_s = min(STORE_S, self.left_s + (now_s - self.at_s) * SHARE) - spent_s
        self.at_s = now_s
        return max(0.0, -self.left_s / SHARE)
