"""What a benchmark ran on, for the record beside its figures."""

from __future__ import annotations

import datetime
import os
import platform


def hardware() -> dict[str, object]:
    """Processor, cores, accelerator, versions and date, in values that JSON can hold."""
    import numpy
    import torch

    from labkit.evaluation.report import cpu_model

    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
