"""A convolutional network that is a scikit-learn classifier.

Importing the package imports neither TensorFlow nor scikit-learn: each public name is loaded
from its module when it is first used (PEP 562, SPEC 1).
"""

import lazy_loader

from .utils import _missing_packages, _moved_modules, _renamed_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = _missing_packages.with_remedy(__getattr__)
__getattr__ = _renamed_names.with_old_names(__name__, __getattr__)

_moved_modules.install()
