from ._find_digits import DetectedDigits as DetectedDigits
from ._find_digits import find_digits as find_digits
from ._recognition import Recognition as Recognition
from ._recognize import recognize as recognize
