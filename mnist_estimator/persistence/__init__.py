"""Fitted estimators on disk: files without code in them, and a cache of fits."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
