"""Rates, bursts and shares: what a flood may have. Thread: control."""
import pytest

from engine.wires import osc_budget


def test_the_senders_that_are_known_are_bounded():
    senders = osc_budget.Senders()
    for k in range(3 * osc_budget.MOST_SENDERS):
        senders.of(("127.0.0.1", k), 0.001 * k).take(0.001 * k)
    assert len(senders._budgets) <= osc_budget.MOST_SENDERS
    newest = senders.of(("127.0.0.1", 3 * osc_budget.MOST_SENDERS - 1), 13.0)
    assert newest.at_s == pytest.approx(0.001 * (3 * osc_budget.MOST_SENDERS - 1))


def test_a_budget_is_a_rate_and_a_burst():
    budget = osc_budget.Budget(100.0, 50.0, 0.0)
    assert sum(budget.take(0.0) for _ in range(80)) == 50
    assert sum(budget.take(0.25) for _ in range(80)) == 25
    assert sum(budget.take(9.0) for _ in range(80)) == 50


def test_reading_rests_when_it_has_had_its_share():
    """Work of 2 ms every 2 ms, for ten seconds: in the end the share of it is done."""
    duty, now_s, worked_s = osc_budget.Duty(0.0), 0.0, 0.0
    while now_s < 10.0:
        rest_s = duty.rest_s(now_s, 0.002)
        worked_s += 0.002
        now_s += max(0.002, rest_s)
    assert worked_s == pytest.approx(10.0 * osc_budget.SHARE + osc_budget.STORE_S, rel=0.02)


def test_ordinary_work_never_rests():
    duty = osc_budget.Duty(0.0)
    assert not any(duty.rest_s(0.01 * k, 0.003) for k in range(1000))
