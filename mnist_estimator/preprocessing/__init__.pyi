from ._digit_normalizer import DigitNormalizer as DigitNormalizer
from ._image_scaler import ImageScaler as ImageScaler
