"""The model that distillation trains: several networks that read the same images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import paddle
from paddle import nn

from training.network import Network


class DistillationModel(nn.Layer):
    """Any number of networks under their own names, all fed the same images.

    Parameters are named `<network>.<path inside it>`, as in PaddleOCR's checkpoints.

    Args:
        networks: the networks in the config's order.
    """

    def __init__(self, networks: Mapping[str, Network]) -> None:
        super().__init__()
        self.network_names = tuple(networks)
        for name, network in networks.items():
            self.add_sublayer(name, network)
        self._left_out_in_training: frozenset[str] = frozenset()

    def leave_out_in_training(self, unused: Iterable[str]) -> None:
        """Do not run these networks while training: frozen ones that no loss looks at."""
        self._left_out_in_training = frozenset(unused)

    @property
    def networks(self) -> dict[str, Network]:
        """The networks by name."""
        return {name: self._sub_layers[name] for name in self.network_names}

    def train(self) -> None:
        """Set training mode for every network that is not frozen."""
        self.training = True
        for network in self.networks.values():
            network.train()

    def forward(
        self, images: paddle.Tensor, batch: Any = None, training_form: bool | None = None
    ) -> dict[str, Any]:
        """Run every `Network` on float32 [N, C, H, W]; return their outputs by name."""
        training_form = self.training if training_form is None else training_form
        left_out = self._left_out_in_training if self.training else frozenset()
        return {
            name: network(images, batch, training_form)
            for name, network in self.networks.items()
            if name not in left_out
        }
