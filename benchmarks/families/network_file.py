"""Writes a recogniser of a config, weights at random, as an ONNX file: speed needs no others."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.training.networks import HEIGHT_PX, classes_of
from export.conversion.convert import convert
from export.conversion.program import save_program
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.backbones.reparameterise import drop_training_parts, reparameterise
from training.config import load_config
from training.plan import read_deployed_plan

_FIRST_CHARACTER = 0x4E00
"""Characters are needed by number alone; Unicode lists 20,000 Chinese ones from here."""
_FIXED_WIDTHS_PX = {"SVTRNet": 320}
_HEIGHTS_PX = {"ch_PP-OCRv2": 32}


def height_of(config: Path) -> int:
    """Return H in px of a config by its name."""
    found = [height for name, height in _HEIGHTS_PX.items() if config.stem.startswith(name)]
    return found[0] if found else HEIGHT_PX


def write_network(config: Path, output: Path) -> None:
    """Build what is deployed of a config's one network, convert it and write it.

    Args:
        config: of one recogniser; the dictionary that it names need not be there.
        output: the ONNX file.
    """
    num_classes = classes_of(config)
    with tempfile.TemporaryDirectory() as folder:
        dictionary = Path(folder) / "characters.txt"
        characters = tuple(chr(_FIRST_CHARACTER + place) for place in range(num_classes - 2))
        dictionary.write_text("".join(f"{character}\n" for character in characters), "utf-8")
        plan = read_deployed_plan(load_config(config, [f"Global.character_dict_path={dictionary}"]))
        (section,) = plan.model.networks.values()
        network = plan.model.build_network(section, plan.task.num_classes_of(section))
        network.eval()
        drop_training_parts(network)
        reparameterise(network)
        width_px = _FIXED_WIDTHS_PX.get(section.backbone.name)
        width = WidthPolicy(width_px, width_px, width_px) if width_px else WidthPolicy()
        spec = RecognizerSpec((*characters, " "), height=height_of(config), width=width)
        model = convert(save_program(network, spec, Path(folder)), spec)
    output.write_bytes(model.SerializeToString())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    write_network(options.config, options.output)


if __name__ == "__main__":
    main()
