from ._image_bunch import ImageBunch as ImageBunch
from ._image_folder import load_image_folder as load_image_folder
from ._make_digits import make_digits as make_digits
from ._mnist import load_mnist as load_mnist
