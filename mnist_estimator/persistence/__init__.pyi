from ._cached_classifier import CachedClassifier as CachedClassifier
from ._save_load import load as load
from ._save_load import save as save
