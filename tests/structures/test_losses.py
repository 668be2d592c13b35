"""From terms to losses: one average of all normalizers, whoever sees which images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ladcli.structures.losses import LossTerm, LossTerms, Normalizer, normalize


def scalar(value: float) -> Tensor:
    return torch.tensor(float(value))


def terms_of(total: Tensor, value: float, **options: float) -> LossTerms:
    """One loss with a normalizer of its own."""
    at_least = options.get("at_least")
    floor = None if at_least is None else scalar(at_least)
    normalizer = Normalizer(scalar(value), floor, options.get("epsilon", 0.0))
    return LossTerms({"loss": LossTerm(total, "count")}, {"count": normalizer})


def loss_of(terms: LossTerms) -> Tensor:
    return normalize({"model": terms})["model"]["loss"]


# value, options, loss of a sum of 6
DIVISORS = [
    (3, {}, 2.0),
    (0.5, {}, 12.0),
    (3, {"at_least": 4}, 1.5),
    (3, {"at_least": 2}, 2.0),
    (3, {"at_least": 3}, 2.0),
    (0, {"at_least": 2}, 3.0),
    (3, {"epsilon": 1}, 1.5),
    (0, {"epsilon": 0.5}, 12.0),
    (3, {"at_least": 5, "epsilon": 1}, 1.0),
    (0, {"at_least": 0}, 0.0),
    (0, {}, 0.0),
]


@pytest.mark.parametrize(("value", "options", "expected"), DIVISORS)
def test_the_divisor(value: float, options: dict[str, float], expected: float) -> None:
    total = scalar(6).requires_grad_()
    found = loss_of(terms_of(total, value, **options))
    assert found.shape == ()
    assert found.item() == expected
    (slope,) = torch.autograd.grad(found, total)
    assert slope.item() == pytest.approx(expected / 6)


def test_without_a_divisor_the_loss_is_zero_and_connected() -> None:
    """Whatever the sum is; the gradients are zeros, and every parameter has one."""
    weight = torch.tensor([3.0, -2.0], requires_grad=True)
    found = loss_of(terms_of((weight.exp() * 1e30).sum(), 0))
    assert found.item() == 0
    assert found.requires_grad
    found.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [0, 0]


def test_losses_may_share_a_normalizer() -> None:
    terms = LossTerms(
        {"a": LossTerm(scalar(6), "n"), "b": LossTerm(scalar(9), "n")},
        {"n": Normalizer(scalar(3))},
    )
    found = normalize({"model": terms})["model"]
    assert {name: loss.item() for name, loss in found.items()} == {"a": 2, "b": 3}


def test_terms_together() -> None:
    one = LossTerms({"a": LossTerm(scalar(6), "n")}, {"n": Normalizer(scalar(3))})
    other = LossTerms({"b": LossTerm(scalar(8), "m")}, {"m": Normalizer(scalar(2))})
    found = normalize({"model": one | other})["model"]
    assert {name: loss.item() for name, loss in found.items()} == {"a": 2, "b": 4}


def two_networks(a: float = 6, b: float = 9, scale: float = 1) -> dict[str, LossTerms]:
    """Two networks whose normalizers have the same names."""
    return {
        "a": LossTerms(
            {"cls": LossTerm(scalar(a), "n"), "box": LossTerm(scalar(2 * a), "iou")},
            {"n": Normalizer(scalar(2 * scale), scalar(3)), "iou": Normalizer(scalar(4 * scale))},
        ),
        "b": LossTerms(
            {"cls": LossTerm(scalar(b), "n")}, {"n": Normalizer(scalar(9 * scale), epsilon=0.0)}
        ),
    }


def values(losses: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, float]]:
    return {net: {name: x.item() for name, x in found.items()} for net, found in losses.items()}


def test_networks_keep_their_normalizers_apart() -> None:
    assert values(normalize(two_networks())) == {"a": {"cls": 2, "box": 3}, "b": {"cls": 1}}


def test_all_normalizers_are_averaged_at_once() -> None:
    calls: list[Tensor] = []

    def doubled(vector: Tensor) -> Tensor:
        calls.append(vector)
        return 2 * vector

    found = values(normalize(two_networks(), doubled))
    assert found == {"a": {"cls": 1, "box": 1.5}, "b": {"cls": 0.5}}
    (vector,) = calls
    assert vector.ndim == 1
    assert not vector.requires_grad
    # Three normalizers, each a value and its least.
    assert sorted(vector.tolist()) == [0, 0, 2, 3, 4, 9]


def test_nothing_to_normalize_asks_nobody() -> None:
    def never(vector: Tensor) -> Tensor:
        raise AssertionError("nothing was to be averaged")

    assert normalize({}, never) == {}
    assert normalize({"model": LossTerms({}, {})}, never) == {"model": {}}


def test_the_vector_is_the_same_length_whatever_a_process_sees() -> None:
    """Otherwise processes would wait for each other: zero is a value too."""
    lengths = []

    def note(vector: Tensor) -> Tensor:
        lengths.append(len(vector))
        return vector

    for scale in (0, 1):
        normalize(two_networks(scale=scale), note)
    assert lengths[0] == lengths[1]


# Two processes.  A batch of rows; each has a weight, and is one image.

ROWS = 6
FACTORS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0, 0.0])
HALVES = {
    "equal halves": [slice(0, 3), slice(3, 6)],
    "uneven halves": [slice(0, 1), slice(1, 6)],
    "one sees nothing": [slice(0, 6), slice(6, 6)],
    "one sees no weight": [slice(0, 5), slice(5, 6)],
}
Make = Callable[[Tensor, Tensor], LossTerms]


def per_weight(x: Tensor, factor: Tensor) -> LossTerms:
    """A mean weighted by factors."""
    return terms_of((x * factor).sum(), factor.sum().item())


def per_image(x: Tensor, factor: Tensor) -> LossTerms:
    """A sum over the weight, or over images where there are more of them."""
    return terms_of(x.square().sum(), factor.sum().item() / 4, at_least=len(x))


def several(x: Tensor, factor: Tensor) -> LossTerms:
    return LossTerms(
        {"loss": LossTerm((x * factor).sum(), "count"), "other": LossTerm(x.exp().sum(), "rows")},
        {
            "count": Normalizer(factor.sum(), epsilon=1e-7),
            "rows": Normalizer(scalar(len(x)), at_least=scalar(0.5)),
        },
    )


def shared_average(parts: list[LossTerms]) -> Callable[[Tensor], Tensor]:
    """What a collective gives all processes: the mean of their vectors."""
    vectors: list[Tensor] = []
    for part in parts:
        normalize({"model": part}, lambda vector: vectors.append(vector) or vector)
    mean = torch.stack(vectors).mean(dim=0)
    return lambda _: mean


@pytest.mark.parametrize("make", [per_weight, per_image, several])
@pytest.mark.parametrize("halves", HALVES.values(), ids=HALVES)
def test_the_mean_over_processes_is_the_loss_of_one(make: Make, halves: list[slice]) -> None:
    """Losses, and the gradients that a trainer averages over its processes."""
    whole = torch.linspace(-1, 2, ROWS, requires_grad=True)
    expected = normalize({"model": make(whole, FACTORS)})["model"]
    (slope,) = torch.autograd.grad(sum(expected.values()), whole)

    shared = whole.detach().clone().requires_grad_()
    parts = [make(shared[half], FACTORS[half]) for half in halves]
    average = shared_average(parts)
    found = [normalize({"model": part}, average)["model"] for part in parts]
    for name, loss in expected.items():
        mean = torch.stack([part[name] for part in found]).mean()
        torch.testing.assert_close(mean, loss)
    total = torch.stack([sum(part.values()) for part in found]).mean()
    (shared_slope,) = torch.autograd.grad(total, shared)
    torch.testing.assert_close(shared_slope, slope)


def test_nothing_anywhere_is_zero_everywhere() -> None:
    x = torch.ones(4, requires_grad=True)
    parts = [per_weight(x[half], torch.zeros(2)) for half in (slice(0, 2), slice(2, 4))]
    average = shared_average(parts)
    for part in parts:
        loss = normalize({"model": part}, average)["model"]["loss"]
        (slope,) = torch.autograd.grad(loss, x)
        assert loss.item() == 0
        assert slope.tolist() == [0] * 4
