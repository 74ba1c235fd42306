import pytest

torch = pytest.importorskip("torch")


def output(logits, pooled):  # type: ignore[no-untyped-def]
    from pare.training.model import Output

    return Output(logits, pooled, pooled.unsqueeze(1))


def batch(rows):  # type: ignore[no-untyped-def]
    import numpy as np

    from pare.training.batching import Batch

    return Batch(
        np.array(rows), torch.zeros(len(rows), 1, dtype=torch.long), torch.ones(len(rows), 1, dtype=torch.long)
    )


def test_a_student_equal_to_its_teacher_pays_only_the_cross_entropy() -> None:
    from pare.training.losses import CrossEntropy, Distillation

    logits, pooled = torch.randn(4, 3), torch.randn(4, 8)
    targets = torch.tensor([0, 1, -1, -1])
    loss = Distillation(targets, logits, pooled, alpha=4.0, temperature=2.0, hidden=1.0)
    rows = [1, 3]
    paid = loss(output(logits[rows], pooled[rows]), batch(rows))
    plain = CrossEntropy(targets)(output(logits[[1]], pooled[[1]]), batch([1]))
    assert torch.allclose(paid, plain, atol=1e-5)


def test_rows_without_a_label_cost_nothing_but_the_divergence() -> None:
    from pare.training.losses import Distillation

    logits, pooled = torch.randn(2, 3), torch.randn(2, 8)
    loss = Distillation(torch.tensor([-1, -1]), logits, pooled, alpha=4.0, temperature=2.0, hidden=1.0)
    assert float(loss(output(logits, pooled), batch([0, 1]))) == pytest.approx(0.0, abs=1e-5)
    assert float(loss(output(-logits, pooled), batch([0, 1]))) > 0


def test_several_labels_cost_the_likelihood_of_each_yes_and_no() -> None:
    from pare.training.losses import CrossEntropy

    logits, targets = torch.randn(4, 3), torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [-1, -1, -1]])
    chances = torch.where(targets == 1, torch.sigmoid(logits), torch.sigmoid(-logits))[:3]
    found = CrossEntropy(targets, 0.0, "multilabel")(output(logits, logits), batch([0, 1, 2, 3]))
    assert torch.allclose(found, -chances.log().sum(dim=1).mean(), atol=1e-6)


def test_a_student_of_several_labels_equal_to_its_teacher_pays_only_the_cross_entropy() -> None:
    from pare.training.losses import CrossEntropy, Distillation

    logits, pooled = torch.randn(4, 3), torch.randn(4, 8)
    targets = torch.tensor([[1, 0, 1], [0, 0, 0], [-1, -1, -1], [-1, -1, -1]])
    loss = Distillation(targets, logits, pooled, alpha=4.0, temperature=2.0, hidden=1.0, kind="multilabel")
    paid = loss(output(logits, pooled), batch([0, 1, 2, 3]))
    plain = CrossEntropy(targets, kind="multilabel")(output(logits[:2], pooled[:2]), batch([0, 1]))
    assert torch.allclose(paid, plain, atol=1e-5)
    other = loss(output(-logits[2:], pooled[2:]), batch([2, 3]))
    soft = torch.sigmoid(logits[2:] / 2)
    wrong = torch.sigmoid(-logits[2:] / 2)
    each = soft * (soft / wrong).log() + (1 - soft) * ((1 - soft) / (1 - wrong)).log()
    assert torch.allclose(other, 4.0 * 4.0 * each.sum(dim=1).mean(), atol=1e-4)


def test_states_of_another_width_are_compared_through_a_projection_that_learns() -> None:
    from pare.training.losses import Distillation, widen

    assert widen(8, 8, 0) is None
    projection = widen(4, 8, 0)
    assert projection is not None
    other = widen(4, 8, 0)
    assert other is not None
    assert torch.equal(projection.weight, other.weight)
    logits, states = torch.randn(2, 3), torch.randn(2, 4)
    seen = projection(states).detach()
    options = {"alpha": 4.0, "temperature": 2.0, "hidden": 1.0, "projection": projection}
    same = Distillation(torch.tensor([-1, -1]), logits, seen, **options)
    assert float(same(output(logits, states), batch([0, 1])).detach()) == pytest.approx(0.0, abs=1e-5)
    far = Distillation(torch.tensor([-1, -1]), logits, -seen, **options)
    far(output(logits, states), batch([0, 1])).backward()
    assert float(projection.weight.grad.abs().sum()) > 0
