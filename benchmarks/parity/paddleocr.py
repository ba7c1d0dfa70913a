"""PaddleOCR's own classes, from a checkout that lies elsewhere; nothing of it is copied."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError

_NEEDED_BY_IMPORTS_ALONE = (
    "skimage", "skimage.morphology", "skimage.morphology._skeletonize", "imgaug",
    "imgaug.augmenters", "shapely", "shapely.geometry", "pyclipper", "albumentations",
    "Polygon", "lanms", "requests", "lmdb", "loguru", "six",
)  # fmt: skip
"""PaddleOCR imports these for detection and others; its recognition losses use none."""

_NEEDED_BY_OTHERS_OF_ITS = ("scipy", "scipy.special")


def import_paddleocr(folder: Path) -> tuple[Any, Any]:
    """Import PaddleOCR's `DistillationModel` and `CombinedLoss`.

    Args:
        folder: top folder of a checkout; it is put on the import path.

    Raises:
        ConfigError: if there is no checkout.
    """
    if not (folder / "ppocr" / "modeling").is_dir():
        raise ConfigError(
            f"--paddleocr {folder}: expected a checkout of PaddleOCR with ppocr/modeling in it, "
            "got none; give its top folder"
        )
    sys.path.insert(0, str(folder.resolve()))
    for name in _NEEDED_BY_IMPORTS_ALONE:
        _stand_in_for(name)
    from ppocr.losses.combined_loss import CombinedLoss
    from ppocr.modeling.architectures.distillation_model import DistillationModel

    return DistillationModel, CombinedLoss


def import_builders(folder: Path) -> tuple[Any, Any]:
    """Import PaddleOCR's `build_model` and `build_loss`.

    Args:
        folder: the checkout, as `import_paddleocr` takes it.
    """
    import_paddleocr(folder)
    from ppocr.losses import build_loss
    from ppocr.modeling.architectures import build_model

    return build_model, build_loss


def save_with_paddleocr(
    folder: Path, model: Any, output_dir: Path, sections: Mapping[str, Any]
) -> None:
    """Write `best_accuracy.*` with PaddleOCR's own `save_model`.

    Args:
        folder: the checkout, as `import_paddleocr` takes it.
        model: the network.
        output_dir: where the files go.
        sections: of the config.
    """
    import_paddleocr(folder)
    import logging

    import paddle
    from ppocr.utils.save_load import save_model

    optimizer = paddle.optimizer.Adam(parameters=model.parameters())
    log = logging.getLogger("ppocr")
    prefix = "best_accuracy"
    save_model(model, optimizer, str(output_dir), log, sections, is_best=True, prefix=prefix)


def export_with_paddleocr(
    folder: Path, network: Any, section: Mapping[str, Any], output_dir: Path
) -> None:
    """Write `inference.json` and `.pdiparams` of one network with PaddleOCR's own exporter.

    Args:
        folder: the checkout, as `import_paddleocr` takes it.
        network: PaddleOCR's, in evaluation mode.
        section: of the config, of that network.
        output_dir: where the files go.
    """
    import_paddleocr(folder)
    import logging

    with _without_scipy():
        from tools.export_model import export_single_model
    log = logging.getLogger("ppocr")
    export_single_model(network, section, str(output_dir / "inference"), log, None, None)


def import_recognizer(folder: Path) -> tuple[Any, Any]:
    """Import PaddleOCR's `tools.infer.utility` and the `TextRecognizer` of `predict_rec.py`.

    Args:
        folder: the checkout, as `import_paddleocr` takes it.
    """
    import_paddleocr(folder)
    sys.argv = ["predict_rec.py"]  # it parses whatever command line there is
    with _without_scipy():
        from tools.infer import utility
        from tools.infer.predict_rec import TextRecognizer

    return utility, TextRecognizer


@contextlib.contextmanager
def _without_scipy() -> Iterator[None]:
    """Stand in for SciPy while PaddleOCR is imported; nothing here calls its functions."""
    for name in _NEEDED_BY_OTHERS_OF_ITS:
        _stand_in_for(name)
    yield
    for name in _NEEDED_BY_OTHERS_OF_ITS:  # others look for SciPy too, and would take this for it
        if isinstance(sys.modules[name], _StandIn):
            del sys.modules[name]


class _StandIn(types.ModuleType):
    """A module whose every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _stand_in_for(name: str) -> None:
    """Register an empty module unless the real one is installed."""
    parent = name.partition(".")[0]
    if name in sys.modules or not isinstance(sys.modules.get(parent, None), _StandIn | None):
        return
    if parent not in sys.modules and importlib.util.find_spec(parent) is not None:
        return
    module = _StandIn(name)
    module.__path__ = []
    sys.modules[name] = module
