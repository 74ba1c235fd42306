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
