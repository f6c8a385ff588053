"""How good a fitted classifier is: report, calibration, label errors, occlusion, plots, card."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
