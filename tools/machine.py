"""What a measurement was made on: the processor, the GPU and the versions of the libraries."""

import json
import platform
import re
from pathlib import Path

import numpy as np
import torch


def cpu() -> str:
    """The processor's name, as the operating system gives it."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model.group(1) if model else platform.processor() or platform.machine()


def describe(device: str) -> dict[str, str]:
    """The machine and the versions, for the results measured on `device`."""
    return {
        "name": torch.cuda.get_device_name() if device == "cuda" else cpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def rounded(value: float, digits: int = 2) -> float:
    """`value` to so many significant digits."""
    return float(f"{value:.{digits}g}")


def read_results(path: Path) -> dict:
    """The stored results, or an empty dictionary where none are stored yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_results(path: Path, results: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
