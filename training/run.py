"""Everything a config describes, built: what training, evaluation and prediction start from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
from paddle.utils import unique_name

from runtime.errors import ConfigError
from runtime.recognition.charset import Charset
from training.check_config import check_config, unused_keys
from training.checkpoint.loading import LoadReport, load_into
from training.checkpoint.parameters import (
    network_parameters,
    parameters_path,
    read_parameters,
)
from training.config import Config, GlobalConfig
from training.data.build import DataPart, build_data
from training.kernels import set_fast_path
from training.losses import CombinedLoss, build_loss, loss_parts, networks_used
from training.networks import DistillationModel, RecognitionNetwork, build_model, network_sections
from training.recognition.decode import (
    CTCLabelDecode,
    DistillationCTCLabelDecode,
    build_post_process,
    charset_of,
)
from training.recognition.metrics import DistillationMetric, RecMetric, build_metric

Model = RecognitionNetwork | DistillationModel
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The parts of a run.

    Args:
        config: checked.
        settings: its `Global` section.
        charset: K - 1 characters.
        model: one network or several.
        loss, post_process, metric: of the sections of those names.
    """

    config: Config
    settings: GlobalConfig
    charset: Charset
    model: Model
    loss: CombinedLoss
    post_process: CTCLabelDecode | DistillationCTCLabelDecode
    metric: RecMetric | DistillationMetric

    def data(self, path: str) -> DataPart:
        """Build `Train` or `Eval` and log its report."""
        part = build_data(
            self.config.sections[path],
            path,
            self.charset,
            self.settings.max_text_length,
            self.settings.seed,
            self.settings.max_unreadable_share,
        )
        for line in part.report.lines():
            log.info("%s", line)
        return part

    @property
    def main_network(self) -> RecognitionNetwork:
        """The network whose accuracy chooses the best model."""
        if isinstance(self.model, RecognitionNetwork):
            return self.model
        assert isinstance(self.metric, DistillationMetric)
        return self.model.networks[self.metric.key]


def build_run(config: Config) -> Run:
    """Check a config and build it, weights at random or as `pretrained` says.

    Raises:
        ConfigError: every problem with its line.
        CheckpointError: if a pretrained checkpoint does not fit.
    """
    check_config(config)
    run = _assemble(config)
    load_pretrained(run.model, config.sections["Architecture"], run.settings)
    return run


def build_trained_run(config: Config, data: Sequence[str]) -> tuple[Run, Path]:
    """As `build_run`, with the weights of `Global.checkpoints` or `Global.pretrained_model`.

    Args:
        config: as `load_config` gives it.
        data: which of `Train` and `Eval` will be read.

    Returns:
        The run and the `.pdparams` file that was loaded, every name of it.

    Raises:
        ConfigError: every problem with its line, or no checkpoint being named.
        CheckpointError: if the checkpoint does not fit one to one.
    """
    check_config(config, data)
    settings = config.globals
    checkpoint = settings.checkpoints or settings.pretrained_model
    if not checkpoint:
        raise ConfigError(
            "no checkpoint to read with: expected Global.checkpoints or Global.pretrained_model, "
            "got neither; add -o Global.checkpoints=output/best_accuracy"
        )
    path = parameters_path(checkpoint)
    run = _assemble(config)
    log.info("%s", load_into(run.model, read_parameters(path), f"checkpoint {path}"))
    run.model.eval()
    return run, path


def _assemble(config: Config) -> Run:
    """Every part of a checked config, weights at random."""
    settings = config.globals
    for key in unused_keys(config):
        log.info("%s has no effect here", key)
    choose_device(settings)
    paddle.seed(settings.seed)
    charset = charset_of(config.sections["Global"])
    with unique_name.guard():
        model = build_model(config.sections["Architecture"], charset.num_classes)
    if isinstance(model, DistillationModel) and not settings.cal_metric_during_train:
        parts = loss_parts(config.sections["Loss"])
        used = {name for _, _, _, options in parts for name in networks_used(options)}
        frozen = {name for name, network in model.networks.items() if network.is_frozen}
        model.leave_out_in_training(frozen - used)
    return Run(
        config=config,
        settings=settings,
        charset=charset,
        model=model,
        loss=build_loss(config.sections["Loss"]),
        post_process=build_post_process(config.sections["PostProcess"], config.sections["Global"]),
        metric=build_metric(config.sections["Metric"]),
    )


def choose_device(settings: GlobalConfig) -> str:
    """Select GPU or CPU and the fast CPU path; returns the device's name."""
    has_gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if settings.use_gpu and not has_gpu:
        log.warning("use_gpu is true but paddle sees no GPU here: training on the CPU")
    if settings.use_amp and not (settings.use_gpu and has_gpu):
        log.warning("use_amp needs a GPU: training in float32")
    set_fast_path(settings.fast_cpu)
    return str(paddle.set_device("gpu" if settings.use_gpu and has_gpu else "cpu"))


def load_pretrained(
    model: Model, architecture: Mapping[str, Any], settings: GlobalConfig
) -> list[LoadReport]:
    """Load `Global.pretrained_model`, then each network's own `pretrained`.

    A network's file may be a checkpoint of one network, or of several with one of its name.

    Returns:
        A report per file, also logged.

    Raises:
        CheckpointError: if less than half of a network fits, or shapes differ.
    """
    reports = []
    if settings.pretrained_model:
        reports.append(
            load_into(
                model,
                read_parameters(settings.pretrained_model),
                f"pretrained_model {settings.pretrained_model}",
                is_partial_allowed=True,
                is_resized_head_allowed=settings.allow_resized_head,
            )
        )
    networks = model.networks if isinstance(model, DistillationModel) else {"": model}
    for name, (path, section) in network_sections(architecture).items():
        file = section.get("pretrained")
        if not file:
            continue
        if not isinstance(file, str):
            raise ConfigError(f"{path}.pretrained: expected a checkpoint's path, got {file!r}")
        where = f"{path}.pretrained {file}"
        reports.append(
            load_into(
                networks[name],
                network_parameters(read_parameters(file), name, where),
                where,
                is_partial_allowed=True,
                is_resized_head_allowed=settings.allow_resized_head,
            )
        )
    for report in reports:
        log.info("%s", report)
    return reports


def time_stride_px(network: RecognitionNetwork, height: int) -> int:
    """Pixels of input width per time step, found by running one blank image."""
    width = 64
    was_training = network.training
    network.eval()
    with paddle.no_grad():
        steps = network.probabilities(paddle.zeros([1, 3, height, width])).shape[1]
    if was_training:
        network.train()
    if steps == 0:
        raise ConfigError(f"the network leaves no time step of {width} px; use smaller strides")
    return width // int(steps)
