from ._load_predictor import load_predictor as load_predictor
from ._predictor import Predictor as Predictor
