"""The distillation pair of PP-OCRv2 in PyTorch, eager: the same networks, losses and optimizer.

Attributes are named as PaddleOCR names them, so that parameters find their first weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.training.inputs import Inputs, first_weight
from benchmarks.training.settings import StepSettings

_BLOCKS = (
    (32, 64, 1, 3, False),
    (64, 128, 1, 3, False),
    (128, 128, 1, 3, False),
    (128, 256, (2, 1), 3, False),
    (256, 256, 1, 3, False),
    (256, 512, (2, 1), 3, False),
    *[(512, 512, 1, 5, False)] * 5,
    (512, 1024, (2, 1), 5, True),
    (1024, 1024, 1, 5, True),
)
"""Of each block: channels in and out before scaling, stride, kernel, squeeze-excitation."""


class _ConvBN(nn.Module):
    def __init__(self, channels_in: int, out: int, kernel: int, stride: Any, groups: int) -> None:
        super().__init__()
        self._conv = nn.Conv2d(
            channels_in, out, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self._batch_norm = nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.hardswish(self._batch_norm(self._conv(x)))


class _Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gates = F.relu(self.conv1(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.conv2(gates))


class _Block(nn.Module):
    def __init__(self, channels_in: int, out: int, stride: Any, kernel: int, gated: bool) -> None:
        super().__init__()
        self._depthwise_conv = _ConvBN(channels_in, channels_in, kernel, stride, channels_in)
        self._se = _Gates(channels_in) if gated else nn.Identity()
        self._pointwise_conv = _ConvBN(channels_in, out, 1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._pointwise_conv(self._se(self._depthwise_conv(x)))


class _Backbone(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.conv1 = _ConvBN(3, int(32 * scale), 3, 2, 1)
        self.block_list = nn.Sequential(
            *[
                _Block(int(before * scale), int(after * scale), stride, kernel, gated)
                for before, after, stride, kernel, gated in _BLOCKS
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(self.block_list(self.conv1(x)), 2)


class _Network(nn.Module):
    def __init__(self, settings: StepSettings) -> None:
        super().__init__()
        features = int(1024 * settings.scale)
        hidden, middle = settings.hidden_size, settings.mid_channels
        self.backbone = _Backbone(settings.scale)
        lstm = nn.LSTM(features, hidden, 2, bidirectional=True, batch_first=True)
        self.neck = nn.ModuleDict({"encoder": nn.ModuleDict({"lstm": lstm})})
        self.head = nn.Sequential()
        self.head.add_module("fc1", nn.Linear(2 * hidden, middle))
        self.head.add_module("fc2", nn.Linear(middle, settings.classes))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute features [N, C, 1, T] and logits [N, T, K] of float32 [N, 3, H, W]."""
        features = self.backbone(images)
        encoder: Any = self.neck["encoder"]
        sequence = encoder["lstm"](features.squeeze(2).transpose(1, 2))[0]
        return features, self.head(sequence)


def _ctc(logits: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    steps = torch.full((logits.shape[0],), logits.shape[1])
    scores = F.log_softmax(logits.transpose(0, 1), dim=2)
    return F.ctc_loss(scores, labels, steps, lengths, blank=0, reduction="none").mean()


def _mutual(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    first, second = F.softmax(first, dim=-1) + 1e-10, F.softmax(second, dim=-1) + 1e-10
    both = second * (torch.log(second + 1e-10) - torch.log(first))
    both = both + first * (torch.log(first + 1e-10) - torch.log(second))
    return both.sum() / first.shape[0] / 2


def prepare_torch(
    settings: StepSettings, inputs: Inputs
) -> tuple[Callable[[], float], Inputs, dict[str, Any]]:
    """Return a step on one batch, the batch as PyTorch holds it, and notes."""
    torch.set_num_threads(settings.pytorch_threads)
    model = nn.ModuleDict({name: _Network(settings) for name in ("Teacher", "Student")})
    _set_first_weights(model, settings.seed)
    norms = [parameter for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)
             for parameter in layer.parameters()]  # fmt: skip
    known = {id(parameter) for parameter in norms}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    optimizer = torch.optim.Adam(
        [{"params": others, "weight_decay": 2e-5}, {"params": norms, "weight_decay": 0.0}], lr=1e-3
    )
    images, labels, lengths = (
        torch.from_numpy(inputs.arrays[name]) for name in ("image", "label", "length")
    )

    def step() -> float:
        teacher_features, teacher = model["Teacher"](images)
        student_features, student = model["Student"](images)
        loss = _ctc(student, labels, lengths) + _ctc(teacher, labels, lengths)
        loss = loss + _mutual(student, teacher) + F.mse_loss(student_features, teacher_features)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.item())

    notes = {
        "threads": torch.get_num_threads(),
        "framework": f"torch {torch.__version__}",
        "fast_kernels": False,
        "trainable_parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    fed = {"image": images.numpy(), "label": labels.numpy(), "length": lengths.numpy()}
    return step, Inputs(fed), notes


def _set_first_weights(model: nn.Module, seed: int) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # PyTorch keeps a linear layer's matrix as [out, in].
            is_linear = ".head." in name and parameter.ndim == 2
            shape = tuple(parameter.shape)[::-1] if is_linear else tuple(parameter.shape)
            weight = first_weight(name, shape, seed)
            parameter.copy_(torch.from_numpy(weight.T if is_linear else weight))
