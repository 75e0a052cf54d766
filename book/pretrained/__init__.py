"""SqueezeNet 1.1 with the weights it learned from 1.2 million photographs of ImageNet.

The weights and the names of the classes lie beside this file; README.md says where they come from.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Fire", "SqueezeNet", "class_names", "preprocess", "squeezenet"]

FOLDER = Path(__file__).parent
MEAN = (123.68, 116.779, 103.939)  # of ImageNet's red, green and blue, from 0 to 255


class Fire(nn.Module):
    """A few 1x1 filters squeeze the channels, then 1x1 and 3x3 filters expand them, side by side.

    Shapes: (N, in_channels, H, W) to (N, 2 expand, H, W).
    Source: Iandola et al. 2016, SqueezeNet.
    """

    def __init__(self, in_channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, input):
        squeezed = F.relu(self.squeeze(input))
        return torch.cat(
            [F.relu(self.expand1x1(squeezed)), F.relu(self.expand3x3(squeezed))], dim=1
        )


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1: 1,235,496 parameters, laid out and named as in torchvision.

    Shapes: (N, 3, H, W) to the scores (N, 1000), for pictures of at least 17 x 17 pixels; the
    weights were learned at 227 x 227.
    """

    def __init__(self):
        super().__init__()
        pool = {"kernel_size": 3, "stride": 2, "ceil_mode": True}
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(**pool),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(**pool),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(**pool),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, input):
        return self.classifier(self.features(input)).flatten(1)


def squeezenet():
    """The network with its weights, in evaluation mode, float32."""
    model = SqueezeNet()
    with np.load(FOLDER / "squeezenet.npz") as stored:
        state = {name: _restored(stored, name) for name in model.state_dict()}
    model.load_state_dict(state)
    return model.eval()


def _restored(stored, name):
    """A weight is stored as whole numbers from -127 to 127 and one scale a filter."""
    if name.endswith("bias"):
        return torch.from_numpy(stored[name])
    scale = stored[f"{name}.scale"].reshape(-1, 1, 1, 1)
    return torch.from_numpy(stored[name].astype(np.float32) * scale)


def preprocess(picture, size=227):
    """A photograph as the network takes it: squeezed to a square, less the mean color, as BGR.

    picture : uint8 (rows, columns, 3), red, green and blue.
    Returns float32 (1, 3, size, size).
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f"picture: expected uint8 (rows, columns, 3), got {picture.dtype} {picture.shape}"
        )
    pixels = torch.from_numpy(picture - np.float32(MEAN)).permute(2, 0, 1)[None]
    pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
    return pixels.flip(1)


def class_names():
    """The names of the 1,000 classes, in the order of the scores."""
    return (FOLDER / "classes.txt").read_text().splitlines()
