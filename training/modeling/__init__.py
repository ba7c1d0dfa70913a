"""Networks: backbones, necks, heads, one network, many networks."""

from training.modeling.build import build_model, check_architecture
from training.modeling.distillation import DistillationModel
from training.modeling.network import RecognitionNetwork

__all__ = ["DistillationModel", "RecognitionNetwork", "build_model", "check_architecture"]
