"""The one input for images among the tensors that an engine declares, whatever the images show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError

FLOAT, HALF = "float32", "float16"
MAX_FIXED_BATCH = 1024
_MAX_INPUT_BYTES = 2**30
_TO_FLOAT = "convert its ends to float32, or export it again as float32"
_REMEDIES = {
    "float64": _TO_FLOAT,
    "bfloat16": _TO_FLOAT,
    "uint8": "it normalises pixels itself: export it without that step, for float32 input",
}


@dataclass(frozen=True)
class ImageInput:
    """What a kind of network may be fed.

    Args:
        title: of such a network, for messages, e.g. `text detector`.
        images: what it is fed, for messages, e.g. `pages`.
        channels: C, each number that it may be.
        max_height_px, max_width_px: H and W at most, where they are fixed.
        give: the remedy where the network is of another kind.
        more_remedies: by dtype of the input or output, besides those of any network.
    """

    title: str
    images: str
    channels: tuple[int, ...]
    max_height_px: int
    max_width_px: int
    give: str
    more_remedies: Mapping[str, str]

    def among(self, inputs: Sequence[TensorInfo], where: str) -> TensorInfo:
        """Return the input, float32 or float16 [N, C, H, W], of a size that can be.

        Args:
            inputs: as the engine declares them.
            where: the file, for messages.

        Raises:
            ArtifactError: if there is another number of inputs, or it is for something else.
        """
        if len(inputs) != 1:
            raise ArtifactError(
                f"{where}: not a {self.title}: expected one input, got {listed(inputs)}; "
                f"{self.give}"
            )
        source = inputs[0]
        if source.dtype not in (FLOAT, HALF) or len(source.shape or ()) != 4:
            raise ArtifactError(
                f"{where}: not a {self.title} that can be fed: expected one float32 or float16 "
                f"input {self._letters}, got {listed(inputs)}; {self.remedy_for(inputs)}"
            )
        self._check_sizes(source.sizes, where)
        return source

    def remedy_for(self, tensors: Sequence[TensorInfo]) -> str:
        """Return what helps against the dtypes of tensors; another network where nothing does."""
        known = {**_REMEDIES, **self.more_remedies}
        return next((known[tensor.dtype] for tensor in tensors if tensor.dtype in known), self.give)

    @property
    def _letters(self) -> str:
        channels = self.channels[0] if len(self.channels) == 1 else "C"
        return f"[N, {channels}, H, W]"

    def _check_sizes(self, shape: tuple[int | None, ...], where: str) -> None:
        """Refuse what cannot be for such images, before anything of its size is allocated."""
        num, channels, height, width = shape
        if channels not in (None, *self.channels):
            is_channels_last = width in self.channels
            got = "[N, H, W, C]" if is_channels_last else f"C = {channels}"
            remedy = "export it with channels first" if is_channels_last else self.give
            numbers = " or ".join(map(str, self.channels))
            condition = f" with C = {numbers}" if len(self.channels) > 1 else ""
            raise ArtifactError(
                f"{where}: not an input of {self.images}: expected {self._letters}{condition}, got "
                f"{got} of {list(shape)}; {remedy}"
            )
        for letter, size, most in (
            ("N", num, MAX_FIXED_BATCH),
            ("H", height, self.max_height_px),
            ("W", width, self.max_width_px),
        ):
            if size is not None and size > most:
                raise ArtifactError(
                    f"{where}: not an input of {self.images}: expected {letter} up to {most}, got "
                    f"{letter} = {size}; export it with {letter} open or smaller"
                )
        num_channels = channels or max(self.channels)
        num_bytes = 4 * (num or 1) * num_channels * (height or 1) * (width or 1)
        if num_bytes > _MAX_INPUT_BYTES:
            raise ArtifactError(
                f"{where}: its fixed input takes {num_bytes} bytes: expected up to "
                f"{_MAX_INPUT_BYTES}, got {list(shape)}; export it with N open or smaller"
            )


def outputs_named(
    outputs: Sequence[TensorInfo], name: str | None, where: str, remedy: str
) -> Sequence[TensorInfo]:
    """Return the output of a name; all of them where none is known.

    Args:
        outputs: as the engine declares them.
        name: of the output wanted.
        where: the file, for messages.
        remedy: if there is no such output.

    Raises:
        ArtifactError: if there is none of the name.
    """
    if name is None:
        return outputs
    named = [output for output in outputs if output.name == name]
    if not named:
        raise ArtifactError(
            f"{where}: no output of the name expected, {name}: got {listed(outputs)}; {remedy}"
        )
    return named


def listed(tensors: Sequence[TensorInfo]) -> str:
    """Return the first four tensors in words, for messages."""
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    return (", ".join(map(str, tensors[:4])) or "none") + more
