"""Networks: backbones, necks, heads, one network, many networks."""

from training.distillation.model import DistillationModel
from training.networks import build_model, check_architecture
from training.recognition.network import RecognitionNetwork

__all__ = ["DistillationModel", "RecognitionNetwork", "build_model", "check_architecture"]
