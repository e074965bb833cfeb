"""labkit: GMCNN inpainting (Wang et al. 2018), its losses, data, training and evaluation.

Importing this package is cheap on purpose: nothing below imports torch until it is needed, so the
command line answers ``--help`` at once.
"""

__version__ = "0.1.0"
