"""Networks that grow from trained ones do nearly what those do."""

import pytest
import torch

from sr_core.models.compact import Compact
from training.initial import start_near_identity, take_over


def network(*, scale: int = 2, features: int = 6, convolutions: int = 2, seed: int = 1) -> Compact:
    torch.manual_seed(seed)
    made = Compact(scale=scale, feature_count=features, conv_count=convolutions)
    start_near_identity(made)
    return made


def test_a_network_of_the_same_sizes_becomes_the_trained_one() -> None:
    trained, new = network(), network(seed=2)
    take_over(new, trained.state_dict())
    picture = torch.rand(1, 3, 12, 12)
    assert torch.equal(new(picture), trained(picture))


def test_another_scale_takes_all_but_the_last_layer() -> None:
    trained, new = network(), network(scale=4, seed=2)
    last = new.body[-1].state_dict()
    kept = {name: tensor.clone() for name, tensor in last.items()}
    take_over(new, trained.state_dict())
    assert all(torch.equal(new.body[-1].state_dict()[name], tensor) for name, tensor in kept.items())
    assert torch.equal(new.body[0].state_dict()["weight"], trained.body[0].state_dict()["weight"])


def test_a_wider_and_deeper_network_does_nearly_what_the_trained_one_does() -> None:
    # Given a trained network whose output is far from nearest-neighbour's
    trained = network()
    with torch.no_grad():
        last = trained.body[-1]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight.mul_(100)
    new, picture = (
        network(features=10, convolutions=4, seed=2).requires_grad_(requires_grad=False),
        torch.rand(1, 3, 16, 16),
    )
    wanted, before = trained(picture).detach(), new(picture)

    # When a larger one grows from it
    take_over(new, trained.state_dict())

    # Then it is much nearer to it than it was
    after = new(picture)
    assert float((after - wanted).abs().mean()) < 0.5 * float((before - wanted).abs().mean())


@pytest.mark.parametrize("larger", [network(features=8), network(convolutions=3)])
def test_a_network_does_not_grow_from_a_larger_one(larger: Compact) -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        take_over(network(), larger.state_dict())
