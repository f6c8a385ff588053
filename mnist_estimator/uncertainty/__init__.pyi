from ._novelty import NoveltyDetector as NoveltyDetector
from ._rejection import RejectingClassifier as RejectingClassifier
from ._threshold import choose_threshold as choose_threshold
