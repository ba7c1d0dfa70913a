"""Mixed precision needs a GPU; without one a step is plain float32."""

import paddle
import pytest

from training.config import GlobalConfig
from training.loop.precision import Precision

HAS_GPU = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0


def _step(precision: Precision) -> tuple[float, str]:
    layer = paddle.nn.Linear(2, 1)
    layer.weight.set_value(paddle.ones([2, 1]))
    optimizer = paddle.optimizer.SGD(0.5, parameters=layer.parameters())
    with precision.forward():
        outputs = {"Student": {"head_out": layer(paddle.ones([1, 2]))}}
    outputs = precision.outputs(outputs)
    output = outputs["Student"]["head_out"]
    precision.backward(output.sum())
    precision.update(optimizer)
    return float(layer.weight.sum()), str(output.dtype)


def test_without_a_gpu_the_request_changes_nothing():
    plain = _step(Precision(GlobalConfig()))
    asked = _step(Precision(GlobalConfig(use_amp=True, amp_custom_black_list=["matmul_v2"])))
    assert asked == plain == (1.0, "paddle.float32")


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="paddle sees no GPU")
def test_on_a_gpu_outputs_return_in_float32_and_the_step_is_the_same():
    paddle.set_device("gpu")
    try:
        weight, dtype = _step(Precision(GlobalConfig(use_amp=True)))
    finally:
        paddle.set_device("cpu")
    assert (round(weight, 3), dtype) == (1.0, "paddle.float32")
