"""``python -m labkit``: the command line, where its script is not installed."""

import sys

from labkit.cli import main

sys.exit(main())
