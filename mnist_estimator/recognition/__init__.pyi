from ._find_digits import DigitReading as DigitReading
from ._find_digits import read_digits as read_digits
from ._recognize import Recognition as Recognition
from ._recognize import recognize as recognize
