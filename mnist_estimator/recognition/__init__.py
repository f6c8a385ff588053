"""Digits in pictures of pages: found, cut out and classified."""

import lazy_loader

from ..utils._renamed_names import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
