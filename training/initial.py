"""The weights before the first step: near the identity, or grown from a smaller network that is trained already.

It knows nothing of photographs or of the loop.
"""

import torch
from torch import Tensor, nn

from sr_core.models.compact import Compact

_NEW_WEIGHTS = 0.1
"""Of the usual random weights, where a grown layer has more channels than the one it grew from."""


def start_near_identity(network: Compact) -> None:
    """Sets weights so that inner layers pass their input on and the first output is close to nearest-neighbour.

    A plain stack has no skip connections; starting near the identity gives it the trainability that they would
    (Zagoruyko and Komodakis, "DiracNets", 2017).
    """
    convolutions = _convolutions(network)
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        for layer in convolutions[1:-1]:
            layer.weight.mul_(0.3)
            layer.weight[:, :, 1, 1] += torch.eye(layer.out_channels)
        convolutions[-1].weight.mul_(0.01)


def take_over(network: Compact, weights: dict[str, Tensor]) -> None:
    """Copies a trained compact network that is not larger into `network`, which then does nearly what that one does.

    What is wider keeps small random weights beside the copied ones; layers in excess pass their input on, linearly. The
    last layer is copied where both have the same scale, and stays as it is otherwise (after Chen et al., "Net2Net:
    Accelerating Learning via Knowledge Transfer", 2016).

    Raises ValueError when the trained network is wider or deeper.
    """
    last = max(int(name.split(".")[1]) for name in weights)
    features = weights["body.0.weight"].shape[0]
    if features > network.feature_count or last > len(network.body) - 1:
        raise ValueError(f"a network of {network.feature_count} features cannot grow from a wider or deeper one")
    with torch.no_grad():
        for index, layer in enumerate(network.body[:-1]):
            if index < last:
                _copy(layer, weights, index)
            elif isinstance(layer, nn.PReLU):
                layer.weight.fill_(1)
            elif isinstance(layer, nn.Conv2d):
                identity = torch.eye(layer.out_channels)
                layer.weight[:, :, 1, 1] -= identity
                layer.weight.mul_(_NEW_WEIGHTS)
                layer.weight[:, :, 1, 1] += identity
        final, trained = network.body[-1], weights[f"body.{last}.weight"]
        assert isinstance(final, nn.Conv2d)
        assert final.bias is not None
        if trained.shape[0] == final.out_channels:
            final.weight[:, :features] = trained
            final.weight[:, features:] *= _NEW_WEIGHTS
            final.bias.copy_(weights[f"body.{last}.bias"])


def _copy(layer: nn.Module, weights: dict[str, Tensor], index: int) -> None:
    weight = weights[f"body.{index}.weight"]
    if isinstance(layer, nn.PReLU):
        layer.weight[: len(weight)] = weight
    elif isinstance(layer, nn.Conv2d):
        out_channels, in_channels = weight.shape[:2]
        assert layer.bias is not None
        layer.weight[:out_channels, in_channels:] *= _NEW_WEIGHTS
        layer.weight[:out_channels, :in_channels] = weight
        layer.bias[:out_channels] = weights[f"body.{index}.bias"]


def _convolutions(network: Compact) -> list[nn.Conv2d]:
    return [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
