"""The fake TensorRT has what each version has, no more, and notices misuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.fakes.cuda import CudaFault, FakeCuda
from tests.fakes.strict import Enumeration, read_api
from tests.fakes.tensorrt import VERSIONS, fake_tensorrt


def double() -> bytes:
    """`y = x + x` for int32 [N, 4]."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"], name="twice")],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.INT32, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["N", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture(params=list(VERSIONS))
def trt(request: pytest.FixtureRequest) -> Any:
    return fake_tensorrt(request.param, FakeCuda())


def build(trt: Any, model: bytes, config: Any = None) -> Any:
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert trt.OnnxParser(network, logger).parse(model)
    config = config or builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 4), (2, 4), (3, 4))
    config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config)


def test_classes_have_exactly_their_attributes(trt: Any) -> None:
    version = next(key for key, value in VERSIONS.items() if value == trt.__version__)
    for name, attributes in read_api(version).items():
        made = getattr(trt, name, None)
        if made is None or name.startswith("Dims") or name[0].islower():
            continue
        public = {key for key in vars(made) if not key.startswith("_")}
        inherited = {key for base in made.__mro__[1:] for key in vars(base)}
        assert public <= set(attributes), name
        of_members = {"name", "value", "itemsize"} if issubclass(made, Enumeration) else set()
        assert set(attributes) <= public | inherited | of_members, name


def test_what_a_version_lacks_cannot_be_read_or_set() -> None:
    old, new = (fake_tensorrt(version, FakeCuda()) for version in ("10.16", "11.4"))
    assert old.BuilderFlag.FP16 and old.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    for read in (
        lambda: new.BuilderFlag.FP16,
        lambda: new.NetworkDefinitionCreationFlag.EXPLICIT_BATCH,
        lambda: new.IInt8Calibrator,
        lambda: new.ICudaEngine.device_memory_size,
        lambda: new.ICudaEngine.create_execution_context_without_device_memory,
        lambda: old.IExecutionContext.is_stream_capturable,
    ):
        with pytest.raises(AttributeError):
            read()
    for trt, has_calibrator in ((old, True), (new, False)):
        config = trt.Builder(trt.Logger()).create_builder_config()
        if has_calibrator:
            config.int8_calibrator = None
        else:
            with pytest.raises(AttributeError, match="int8_calibrator"):
                config.int8_calibrator = None
        with pytest.raises(AttributeError, match="no attribute 'typo'"):
            config.typo = 1
        with pytest.raises(AttributeError, match="read-only"):
            config.set_flag = 1


def test_enumerations_are_no_integers(trt: Any) -> None:
    with pytest.raises(TypeError):
        1 << trt.BuilderFlag.TF32
    assert 1 << int(trt.BuilderFlag.TF32)


def test_what_has_no_behaviour_is_noticed(trt: Any) -> None:
    config = trt.Builder(trt.Logger()).create_builder_config()
    with pytest.raises(NotImplementedError, match=r"IBuilderConfig\.DLA_core"):
        assert config.DLA_core
    config.DLA_core = 3
    assert config.DLA_core == 3


def test_a_logger_must_call_its_base(trt: Any) -> None:
    class Forgetful(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            self.lines.append(message)

    with pytest.raises(TypeError, match="must be called"):
        trt.Builder(Forgetful())
    with pytest.raises(TypeError, match="incompatible"):
        trt.Builder(print)


def test_a_plan_runs(trt: Any) -> None:
    cuda = trt._cuda
    cuda.device_count()
    plan = build(trt, double())
    assert plan.nbytes == memoryview(plan).nbytes == len(bytes(plan))
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(plan)
    context, stream = engine.create_execution_context(), cuda.create_stream()
    source, target = cuda.malloc(32), cuda.malloc(32)
    cuda.device_bytes(source, 32)[0].view(np.int32)[:] = np.arange(8)
    assert not context.execute_async_v3(stream)
    assert context.set_input_shape("x", (2, 4)) and not context.set_input_shape("x", (4, 4))
    assert context.set_tensor_address("x", source) and context.set_tensor_address("y", target)
    assert tuple(context.get_tensor_shape("y")) == (2, 4)
    assert context.execute_async_v3(stream)
    assert cuda.device_bytes(target, 1)[0][0] == 0xCD
    cuda.synchronize_stream(stream)
    assert cuda.device_bytes(target, 32)[0].view(np.int32).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_a_context_changed_under_its_work(trt: Any) -> None:
    cuda = trt._cuda
    cuda.device_count()
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(build(trt, double()))
    context, stream = engine.create_execution_context(), cuda.create_stream()
    for name in "xy":
        context.set_tensor_address(name, cuda.malloc(64))
    context.set_input_shape("x", (2, 4))
    context.execute_async_v3(stream)
    context.set_input_shape("x", (1, 4))
    with pytest.raises(CudaFault, match="context was changed"):
        cuda.synchronize_stream(stream)
    # The first run after a change must not be a captured one.
    cuda.begin_capture(stream)
    assert not context.execute_async_v3(stream)


def test_too_small_memory_is_a_fault(trt: Any) -> None:
    cuda = trt._cuda
    cuda.device_count()
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(build(trt, double()))
    context = engine.create_execution_context()
    for name in "xy":
        context.set_tensor_address(name, cuda.malloc(16))
    context.set_input_shape("x", (2, 4))
    with pytest.raises(CudaFault, match="32 bytes from byte 0 of an allocation of 16"):
        context.execute_async_v3(cuda.create_stream())


def test_a_runtime_without_a_driver_would_crash() -> None:
    for cuda in (FakeCuda(devices=None), FakeCuda()):
        trt = fake_tensorrt("10.16", cuda)
        with pytest.raises(CudaFault, match="TensorRT crashes"):
            trt.Runtime(trt.Logger())


def test_builders_need_a_gpu_but_for_rtx() -> None:
    with pytest.raises(TypeError, match="nullptr"):
        trt = fake_tensorrt("11.4", FakeCuda(devices=None))
        trt.Builder(trt.Logger())
    rtx = fake_tensorrt("rtx-1.7", FakeCuda(devices=None))
    assert build(rtx, double()) is not None


def test_the_parser_names_node_and_operator(trt: Any) -> None:
    trt._wishes.unsupported_operators = ("Add",)
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert not parser.parse(double())
    error = parser.get_error(0)
    assert (error.node(), error.node_name(), error.node_operator()) == (0, "twice", "Add")
    assert error.code() == trt.ErrorCode.UNSUPPORTED_NODE


def test_builds_that_fail_say_why(trt: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trt._wishes.max_buildable_batch = 2
    assert build(trt, double()) is None
    assert "Could not find any implementation for node" in capsys.readouterr().out


def test_progress_is_told_and_can_stop_the_build(trt: Any) -> None:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self, goes_on: bool) -> None:
            trt.IProgressMonitor.__init__(self)
            self.goes_on, self.told = goes_on, []

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self.told.append((name, parent, steps))

        def step_complete(self, name: str, step: int) -> bool:
            return self.goes_on

        def phase_finish(self, name: str) -> None:
            self.told.append(name)

    for goes_on in (True, False):
        config = trt.Builder(trt.Logger()).create_builder_config()
        config.progress_monitor = monitor = Monitor(goes_on)
        assert (build(trt, double(), config) is not None) == goes_on
        assert monitor.told[0] == ("Building engine", None, 2)
        assert monitor.told[-1] == "Building engine"


def test_the_model_of_these_tests_is_valid() -> None:
    onnx.checker.check_model(onnx.load_from_string(double()))
