"""Fast CPU kernels for training: the same arithmetic as paddle's own layers, in fewer passes.

paddle's depthwise convolution on a CPU does a tiny matrix product per channel, BatchNorm and
hard-swish each walk the whole activation, and the losses store every softmax and logarithm; with
few classes the first two were nine tenths of a training step. The kernels here are compiled by
numba, work in place on paddle's memory, and agree with paddle's own results to float32 rounding.
The order of every sum is fixed, so the same inputs give the same bits on every run with the same
number of threads. Those that compute another way than paddle wait for batches (`serves_batch`).

They serve float32 tensors on a CPU in dygraph mode. Everywhere else (GPU, other types,
`paddle.jit.to_static` and export, numba not installed) each layer steps aside and runs paddle's
own operation. Parameter and buffer names are paddle's, so checkpoints are unchanged.

Rooms: `gate` decides, `loops/` holds the compiled loops (numpy arrays only), the modules beside it
hold the paddle side (functions and layers), `maps/` that of detectors' maps and their losses.
"""

from __future__ import annotations

from training.kernels.affine import affine_hardswish
from training.kernels.batch_norm import BatchNormHardSwish, batch_norm_hardswish
from training.kernels.branches import sum_normalised_branches
from training.kernels.cross_entropy import smoothed_cross_entropy
from training.kernels.ctc import ctc_loss
from training.kernels.dense.layers import DenseConv2D, DoublingConv2D
from training.kernels.depthwise import DepthwiseConv2D, depthwise_conv2d
from training.kernels.depthwise_residual import depthwise_residual
from training.kernels.gate import fast_path, fast_path_enabled, set_fast_path
from training.kernels.linear import Linear, linear
from training.kernels.max_pool import MaxPool2D, max_pool2x2
from training.kernels.mutual import softmax_mutual_loss
from training.kernels.normalise import Activation, normalise
from training.kernels.planes import channel_means, scale_channels
from training.kernels.pointwise import PointwiseConv2D, pointwise_conv2d
from training.kernels.transpose import transpose

__all__ = [
    "Activation",
    "BatchNormHardSwish",
    "DenseConv2D",
    "DepthwiseConv2D",
    "DoublingConv2D",
    "Linear",
    "MaxPool2D",
    "PointwiseConv2D",
    "affine_hardswish",
    "batch_norm_hardswish",
    "channel_means",
    "ctc_loss",
    "depthwise_conv2d",
    "depthwise_residual",
    "fast_path",
    "fast_path_enabled",
    "linear",
    "max_pool2x2",
    "normalise",
    "pointwise_conv2d",
    "scale_channels",
    "set_fast_path",
    "smoothed_cross_entropy",
    "softmax_mutual_loss",
    "sum_normalised_branches",
    "transpose",
]
