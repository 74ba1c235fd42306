"""What a decoder is taught by: a teacher's likeliest tokens with the rest, and its opinion of the student's own answers."""

from pathlib import Path

import numpy as np
import pytest

from pare.testing.contexts import tiny_stories
from pare.testing.tiny import tiny_decoder
from pare.types import Artifact

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

VOCABULARY = 7


def predicted(logits):  # type: ignore[no-untyped-def]
    from pare.training.model import Output

    states = torch.ones(len(logits), 4)
    return Output(logits, states, states)


def places(numbers):  # type: ignore[no-untyped-def]
    from pare.training.batching import Batch

    empty = torch.zeros(1, len(numbers), dtype=torch.long)
    return Batch(np.array([0]), empty, empty + 1, np.array(numbers), torch.arange(len(numbers)))


def told(logits, top: int, temperature: float):  # type: ignore[no-untyped-def]
    from pare.training.tokens import Likely, outcomes

    ids = logits.topk(top, dim=1).indices
    logs = outcomes(logits / temperature, ids).numpy().astype(np.float16)
    return Likely(ids.numpy().astype(np.uint16), logs[:, :-1], logs[:, -1], np.zeros((len(logits), 0), np.float16))


def divergence(student, teacher, top: int, temperature: float) -> float:  # type: ignore[no-untyped-def]
    """The loss less its cross-entropy."""
    from pare.training.tokens import LikelyTokens

    targets = torch.zeros(len(student), dtype=torch.long)
    loss = LikelyTokens(targets, told(teacher, top, temperature), alpha=1.0, temperature=temperature, hidden=0.0)
    plain = torch.nn.functional.cross_entropy(student, targets)
    return float(loss(predicted(student), places(range(len(student)))) - plain) / temperature**2


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_divergence_is_the_whole_one_where_the_rest_is_one_token_and_below_it_else(temperature: float) -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, VOCABULARY), 3 * torch.randn(5, VOCABULARY)
    chances = torch.softmax(teacher / temperature, dim=1)
    logs = torch.log_softmax(student / temperature, dim=1)
    whole = float((chances * (chances.log() - logs)).sum(dim=1).mean())
    assert divergence(student, teacher, VOCABULARY - 1, temperature) == pytest.approx(whole, rel=5e-3)
    for top in (1, 3):
        assert 0 < divergence(student, teacher, top, temperature) < whole
    assert divergence(teacher, teacher, 3, temperature) == pytest.approx(0.0, abs=1e-3)


def test_outcomes_are_probabilities_of_which_the_last_is_all_that_is_left() -> None:
    from pare.training.tokens import outcomes

    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]], requires_grad=True)
    chances = torch.softmax(logits, dim=1)
    found = outcomes(logits, torch.tensor([[1, 0]])).exp()
    assert torch.allclose(found, torch.stack([chances[0, 1], chances[0, 0], chances[0, 2:].sum()])[None])
    found[0, 2].backward()
    assert torch.isfinite(logits.grad).all()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    from pare.artifacts import seal
    from pare.families import family_of, read_config

    folder = tiny_decoder(tmp_path_factory.mktemp("teacher"), words=[s.text + s.label for s in tiny_stories()])
    config = read_config(folder)
    shape = family_of(config).shape(config, 0)
    return seal(folder, format="decoder", labels=(), shape=shape, max_length=64, kind="generate")


def turns(teacher: Artifact):  # type: ignore[no-untyped-def]
    from pare.runtimes.causal import Prompts
    from pare.training.turns import read_turns

    pairs = [(sample.text, sample.label) for sample in tiny_stories(20)]
    return read_turns(Prompts(teacher.path, 64), [*pairs, ("one", ""), ("", "two three")])


def test_a_teacher_is_asked_once_and_kept_in_few_bytes(teacher: Artifact, tmp_path: Path) -> None:
    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.tokens import likely_tokens

    rows, _ = turns(teacher)
    asked: list[str] = []
    options = {"vocabulary": teacher.manifest.shape.vocabulary, "temperature": 2.0, "states": True, "cache": tmp_path}
    options |= {"threads": 1, "progress": lambda share, word: asked.append(word)}
    first = likely_tokens(teacher, rows, top=4, **options)
    assert asked == ["teacher"]
    again = likely_tokens(teacher, rows, top=4, **options)
    assert asked == ["teacher"]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert first.ids.nbytes + first.logs.nbytes + first.rest.nbytes == rows.answers * (4 * 4 + 2)
    likely_tokens(teacher, rows, top=5, **options)
    assert len(list(tmp_path.glob("tokens-*.safetensors"))) == 2

    batch = pad(rows, np.arange(len(rows)))
    with torch.inference_mode():
        logits = Decoder(load_decoder(teacher.path)).answers(batch).logits / 2.0
    chances = torch.softmax(logits, dim=1).numpy()
    kept = np.exp(first.logs[batch.answers].astype(np.float32))
    assert np.allclose(np.take_along_axis(chances, first.ids[batch.answers].astype(int), 1), kept, atol=2e-3)
    assert np.allclose(kept.sum(1) + np.exp(first.rest[batch.answers].astype(np.float32)), 1.0, atol=5e-3)


def test_a_share_of_the_batches_are_the_students_own_answers(teacher: Artifact) -> None:
    from pare.runtimes.causal import Prompts
    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.sampling import Sampler
    from pare.training.turns import asked

    rows, _ = turns(teacher)
    model = Decoder(load_decoder(teacher.path)).eval()
    ends = Prompts(teacher.path, 64).ends
    batch = pad(rows, np.array([0, 3, 21]))
    prompts = asked(rows, batch.rows)
    assert [len(prompt) for prompt in prompts] == [int(rows.firsts[rows.words[i]]) + 1 for i in (0, 3, 21)]

    def drawn(share: float, seed: int):  # type: ignore[no-untyped-def]
        torch.manual_seed(seed)
        return Sampler(model, rows, ends, 64, share)(batch, np.random.default_rng(0))

    assert drawn(0.0, 1) is batch
    own = drawn(1.0, 1)
    assert torch.equal(own.ids, drawn(1.0, 1).ids)
    assert not torch.equal(own.ids[:, :4], batch.ids[:, :4])
    assert (own.answers == -1).all()
    assert len(own.answers) == len(own.at)
    longest = max(int(rows.words[i + 1] - rows.words[i]) for i in (0, 3, 21))
    for row, prompt in enumerate(prompts):
        said = own.ids[row][: int(own.mask[row].sum())].tolist()
        assert said[: len(prompt)] == prompt
        assert len(prompt) < len(said) <= len(prompt) + longest
        assert not set(said[len(prompt) : -1]) & set(ends)


def test_what_a_student_makes_up_has_no_cross_entropy(teacher: Artifact) -> None:
    from dataclasses import replace

    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.sampling import Asked

    rows, targets = turns(teacher)
    model = Decoder(load_decoder(teacher.path)).eval()
    loss = Asked(torch.from_numpy(targets), model, alpha=1.0, temperature=1.0, hidden=0.0)
    batch = pad(rows, np.arange(4))
    with torch.no_grad():
        output = model.answers(batch)
    plain = torch.nn.functional.cross_entropy(output.logits, torch.from_numpy(targets[batch.answers]))
    assert float(loss(output, batch)) == pytest.approx(float(plain), abs=5e-2)
    own = replace(batch, words=np.full(len(batch.answers), -1))
    assert float(loss(output, own)) == pytest.approx(0.0, abs=5e-2)


def test_a_teacher_that_is_stopped_leaves_nothing(teacher: Artifact, tmp_path: Path) -> None:
    from pare.training.tokens import likely_tokens

    def stop(share: float, word: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        likely_tokens(
            teacher,
            turns(teacher).rows,
            top=4,
            vocabulary=100,
            temperature=1.0,
            states=False,
            cache=tmp_path,
            threads=1,
            progress=stop,
        )
    assert not list(tmp_path.iterdir())
