"""Whole studies, simulated by the thousand: how often does a proof pass a model that is too bad?

Every case puts the truth where an error is most likely (a drop of exactly the margin, or just so for some of the
candidates) and counts false passes. A case fails only if the 99 % Clopper-Pearson lower bound of their rate exceeds
alpha, so that a correct test fails here about once in a hundred changed seeds.
"""

import math

import numpy as np
import pytest

from pare.proof.betting import BettingPlan, mirror, peaks
from pare.proof.binomial import clopper_pearson
from pare.proof.exact import critical_losses
from pare.proof.looks import look_alpha
from pare.proof.power import betting_power, exact_power
from pare.proof.rounds import stratified_rounds

pytestmark = pytest.mark.slow

ALPHA = 0.05
STUDIES = 6000
DISCORDANCES = [0.01, 0.02, 0.04, 0.08, 0.2]


def holds(errors, alpha=ALPHA):
    """Check a boolean per study; the rate is returned for further assertions."""
    lower, _ = clopper_pearson(int(errors.sum()), len(errors), 0.01)
    assert lower <= alpha, f"{errors.mean():.4f} of {len(errors)} studies err, more than {alpha:.4f}"
    return errors.mean()


def draw(rng, shape, discordance, drop):
    """Differences candidate minus reference, -1, 0 or 1."""
    u = rng.random(shape, dtype=np.float32)
    return (u > 1 - (discordance - drop) / 2).astype(np.int8) - (u < (discordance + drop) / 2)


def proven(losses, gains, n, margin, alpha=ALPHA):
    return losses <= critical_losses(n, margin, alpha)[losses + gains]


def crossed(plan, sums, sizes=1.0):
    return peaks(plan, sums, sizes) >= -math.log(plan.alpha)


@pytest.mark.parametrize("discordance", DISCORDANCES)
@pytest.mark.parametrize(("n", "margin"), [(150, 0.0), (600, 0.01), (600, 0.02), (3080, 0.01), (600, -0.01)])
def test_exact_test_on_both_sides(discordance, n, margin):
    if discordance < abs(margin):
        pytest.skip("no such truth")
    rng = np.random.default_rng(int(discordance * 1000) + n)
    loss, gain = (discordance + margin) / 2, (discordance - margin) / 2
    losses, gains, _ = rng.multinomial(n, [loss, gain, 1 - discordance], size=50_000).T
    holds(proven(losses, gains, n, margin))
    holds(proven(gains, losses, n, -margin))  # the reversed test, which `fail` rests on


@pytest.mark.parametrize("good", [0, 1, 2])
@pytest.mark.parametrize("discordance", [0.02, 0.05, 0.2])
def test_selection_among_fifty_then_the_sequence(discordance, good):
    """The five best of 50 on dev go on, safest first; the first `good` of the 50 are sound, all others at the margin."""
    rng = np.random.default_rng(11)
    margin, dev, sealed = 0.02, 500, 600
    drops = np.full(50, margin)
    drops[:good] = 0.0
    law = np.stack([(discordance + drops) / 2, (discordance - drops) / 2, np.full(50, 1 - discordance)], axis=1)
    counts = rng.multinomial(dev, law, size=(STUDIES, 50))
    dev_drop = counts[..., 0] - counts[..., 1] + 0.5 * rng.random((STUDIES, 50))
    chosen = np.argsort(dev_drop, axis=1)[:, :5]
    # all candidates answer the same sealed rows: one draw of the rows decides them together
    tables = np.zeros((STUDIES, 5, 2), dtype=np.int64)
    for low in range(0, STUDIES, 500):
        u = rng.random((500, sealed, 1), dtype=np.float32)
        true = drops[chosen[low : low + 500]][:, None, :]
        tables[low : low + 500, :, 0] = (u < (discordance + true) / 2).sum(axis=1)
        tables[low : low + 500, :, 1] = (u > 1 - (discordance - true) / 2).sum(axis=1)
    rejected = proven(tables[..., 0], tables[..., 1], sealed, margin)
    passed = np.logical_and.accumulate(rejected, axis=1)
    holds((passed & (drops[chosen] >= margin)).any(axis=1))


def test_false_fail_with_one_sound_candidate():
    """`fail` claims that all miss the bar; one of five is at the margin, the others are far worse."""
    rng = np.random.default_rng(12)
    n, margin = 600, 0.02
    drops = np.array([0.06, 0.06, margin, 0.06, 0.06])
    law = np.stack([(0.08 + drops) / 2, (0.08 - drops) / 2, np.full(5, 0.92)], axis=1)
    counts = rng.multinomial(n, law, size=(STUDIES, 5))
    holds(proven(counts[..., 1], counts[..., 0], n, -margin).all(axis=1))


@pytest.mark.parametrize("horizon", [True, False])
@pytest.mark.parametrize("discordance", DISCORDANCES)
def test_betting_on_right_and_wrong(discordance, horizon):
    rng = np.random.default_rng(13)
    n, margin = 600, min(0.02, discordance)
    plan = BettingPlan(bar=-margin, horizon=n if horizon else None)
    holds(crossed(plan, draw(rng, (n, STUDIES), discordance, margin)))
    holds(crossed(mirror(plan), -draw(rng, (n, STUDIES), discordance, margin)))


@pytest.mark.parametrize("horizon", [True, False])
@pytest.mark.parametrize("law", ["partial credit", "rare ruin", "smooth"])
def test_betting_on_non_binary_values(law, horizon):
    rng = np.random.default_rng(14)
    n, margin, shape = 500, 0.03, (500, STUDIES)
    if law == "partial credit":
        values = rng.choice([-1, -0.5, -0.25, 0, 0.25, 0.5], p=[0.02, 0.05, 0.06, 0.79, 0.04, 0.04], size=shape)
    elif law == "rare ruin":  # nearly always a small gain, seldom a total loss: the trap for a greedy bettor
        loss = 0.04
        values = np.where(rng.random(shape) < loss, -1.0, (loss - margin) / (1 - loss))
    else:
        values = 2 * rng.beta(20 * (1 - margin), 20 * (1 + margin), size=shape) - 1
    holds(crossed(BettingPlan(bar=-margin, horizon=n if horizon else None), values))


def test_topped_up_until_it_passes():
    """A growing plan of 400 rows is continued, up to ten times, for as long as it has not passed.

    The peak over all 4,000 rows covers every such stopping; that stored states go on bit for bit is a unit test.
    """
    rng = np.random.default_rng(15)
    plan = BettingPlan(bar=-0.02)
    values = draw(rng, (4000, 5000), 0.05, 0.02)
    holds(crossed(plan, values))


def test_repeated_looks_at_growing_rows():
    """Six looks, each with a fresh plan for the candidate at hand, on rows that only grow."""
    rng = np.random.default_rng(16)
    margin, discordance, block = 0.02, 0.05, 300
    law = [(discordance + margin) / 2, (discordance - margin) / 2, 1 - discordance]
    counts = rng.multinomial(block, law, size=(6, 20_000)).cumsum(axis=0)
    passes = [
        proven(counts[k, :, 0], counts[k, :, 1], block * (k + 1), margin, look_alpha(ALPHA, k + 1)) for k in range(6)
    ]
    holds(np.any(passes, axis=0))


def test_repeated_looks_with_a_new_candidate_each():
    """Eight looks at the same rows, each for another candidate."""
    rng = np.random.default_rng(17)
    n, margin, discordance = 600, 0.02, 0.06
    law = [(discordance + margin) / 2, (discordance - margin) / 2, 1 - discordance]
    counts = rng.multinomial(n, law, size=(8, 20_000))
    passes = [proven(counts[k, :, 0], counts[k, :, 1], n, margin, look_alpha(ALPHA, k + 1)) for k in range(8)]
    holds(np.any(passes, axis=0))


@pytest.mark.parametrize("horizon", [True, False])
def test_unit_clusters(horizon):
    """Rows of a unit share their fate, and large units drop more; the mean over rows is at the margin."""
    rng = np.random.default_rng(18)
    units, most = 500, 5
    sizes = rng.choice([1, 2, 3, 5], p=[0.5, 0.25, 0.15, 0.1], size=(units, STUDIES)).astype(np.float64)
    drop = np.where(sizes == 5, 0.06, 0.01)
    margin = (0.1 * 5 * 0.06 + (0.5 + 0.5 + 0.45) * 0.01) / (0.5 + 0.5 + 0.45 + 0.5)
    u = rng.random(sizes.shape)
    sums = sizes * ((u > 1 - (0.1 - drop) / 2).astype(np.float64) - (u < (0.1 + drop) / 2))
    plan = BettingPlan(bar=-margin, horizon=units if horizon else None, unit_rows=most)
    holds(crossed(plan, sums, sizes))


def test_ignoring_units_would_err():
    """The control: the same clusters counted as independent rows break the promise, so the case above has teeth."""
    rng = np.random.default_rng(19)
    margin, discordance, units, rows = 0.02, 0.06, 150, 4
    law = [(discordance + margin) / 2, (discordance - margin) / 2, 1 - discordance]
    counts = rows * rng.multinomial(units, law, size=STUDIES)
    errors = proven(counts[:, 0], counts[:, 1], units * rows, margin)
    assert clopper_pearson(int(errors.sum()), STUDIES, 0.01)[0] > ALPHA


@pytest.mark.parametrize("horizon", [True, False])
def test_balanced_accuracy(horizon):
    """Three classes of 400, 200 and 100 rows; the rare one bears the drop."""
    rng = np.random.default_rng(20)
    classes = ["a"] * 400 + ["b"] * 200 + ["c"] * 100
    drop = np.r_[np.full(400, 0.0), np.full(200, 0.03), np.full(100, 0.09)]
    margin, studies = 0.04, 5000
    values = draw(rng, (studies, 700), 0.1, drop)
    rounds = np.stack([stratified_rounds(v, classes, ["a", "b", "c"]) for v in values], axis=1)
    holds(crossed(BettingPlan(bar=-margin, horizon=100 if horizon else None), rounds))


@pytest.mark.parametrize("horizon", [True, False])
def test_one_sample_at_least(horizon):
    rng = np.random.default_rng(21)
    bar, n = 0.9, 400
    values = (rng.random((n, STUDIES)) < bar).astype(np.float64)
    holds(crossed(BettingPlan(bar=bar, low=0.0, high=1.0, horizon=n if horizon else None), values))


def optimal_power(n, margin, discordance, drop, alpha=ALPHA):
    """An upper bound on the power of every level-alpha test, exact unconditional ones included.

    A level-alpha test of the whole null is one of each single null point, where Neyman and Pearson's likelihood ratio
    test is the most powerful against this alternative. Its power at the point that is worst for it bounds them all.
    """
    lost, won = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    small = lost + won <= min(n, int(n * discordance + 14 * math.sqrt(n * discordance) + 20))
    lost, won = lost[small], won[small]
    log_factorial = np.r_[0.0, np.cumsum(np.log(np.arange(1.0, n + 1)))]
    ways = log_factorial[n] - log_factorial[lost] - log_factorial[won] - log_factorial[n - lost - won]

    def log_law(s, d):
        loss, gain = (s + d) / 2, (s - d) / 2
        return ways + lost * np.log(loss) + won * np.log(gain) + (n - lost - won) * np.log1p(-s)

    best, alternative = 1.0, log_law(discordance, drop)
    for s in np.linspace(max(discordance, margin) * 0.9 + 1e-4, discordance * 1.5 + margin, 40):
        if s <= margin:
            continue
        null = log_law(s, margin)
        order = np.argsort(null - alternative)
        spent, power = np.cumsum(np.exp(null[order])), np.cumsum(np.exp(alternative[order]))
        last = np.searchsorted(spent, alpha)  # the randomised last point is given whole: still an upper bound
        best = min(best, float(power[min(last, len(power) - 1)]))
    return best


@pytest.mark.parametrize(
    ("n", "margin", "discordance", "drop"),
    [(600, 0.02, 0.04, 0.0), (300, 0.05, 0.1, 0.0), (1500, 0.02, 0.06, 0.005), (900, 0.03, 0.2, -0.02)],
)
def test_power_is_close_to_the_exact_optimum(n, margin, discordance, drop):
    best = optimal_power(n, margin, discordance, drop)
    exact, aimed = exact_power(n, margin, discordance, drop), betting_power(n, margin, discordance, drop)
    growing = betting_power(n, margin, discordance, drop, growing=True)
    print(
        f"n {n} margin {margin}: optimum <= {best:.3f}, exact {exact:.3f}, horizon {aimed:.3f}, growing {growing:.3f}"
    )
    assert best - 0.06 <= exact <= best
    assert exact - 0.15 <= aimed
    assert 0.3 <= growing <= aimed
