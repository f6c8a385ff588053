"""MNIST, as the package brings it or from other sources; folders of pictures; drawn digits."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
