"""Power and label counts."""

import time

import pytest

from pare.proof.power import (
    betting_labels_needed,
    betting_power,
    exact_power,
    labels_needed,
    smallest_provable_margin,
)


def test_anchors():
    assert exact_power(600, 0.02, 0.04) == pytest.approx(0.75, abs=0.005)
    assert 0.38 <= betting_power(600, 0.02, 0.04, growing=True) <= 0.50
    assert betting_power(600, 0.02, 0.04) >= 0.60
    assert betting_power(1500, 0.02, 0.04, growing=True) >= 0.83


def test_power_at_the_margin_is_below_alpha():
    assert exact_power(400, 0.03, 0.06, drop=0.03) <= 0.05


@pytest.mark.parametrize("n", [100, 900, 3080])
def test_smallest_margin_is_met_with_the_power_asked_for(n):
    begun = time.process_time()
    margin = smallest_provable_margin(n)
    assert time.process_time() - begun < 5  # below 1 s on an idle core
    assert exact_power(n, margin, 0.04) >= 0.8
    assert exact_power(n, margin - 0.0006, 0.04) < 0.8


def test_one_label_proves_next_to_nothing():
    assert smallest_provable_margin(1) > 0.95 - 1e-4  # P(no loss | drop .95) = .05
    assert smallest_provable_margin(1, alpha=1e-5) == 1.0


def test_labels_needed_have_the_power_asked_for():
    n = labels_needed(0.02)
    assert n == pytest.approx(680, abs=10)
    assert exact_power(n, 0.02, 0.04) >= 0.8
    assert labels_needed(0.02, drop=0.02) is None
    assert labels_needed(0.02, drop=0.0198) > 1_000_000
    assert labels_needed(-0.02, 0.08, drop=-0.05) > 100


@pytest.mark.parametrize("growing", [False, True])
def test_betting_labels(growing):
    n = betting_labels_needed(0.03, growing=growing)
    assert betting_power(n, 0.03, 0.04, growing=growing) == pytest.approx(0.8, abs=0.05)
    assert betting_labels_needed(0.03, drop=0.03) is None
    assert betting_labels_needed(0.03) < betting_labels_needed(0.03, growing=True)


def test_bad_arguments():
    with pytest.raises(ValueError, match="discordance must be"):
        exact_power(100, 0.02, 0.01, drop=0.02)
    with pytest.raises(ValueError, match="power must be"):
        smallest_provable_margin(100, power=1.0)
