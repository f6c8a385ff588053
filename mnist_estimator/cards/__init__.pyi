from ._model_card import model_card as model_card
from ._model_info import ModelInfo as ModelInfo
from ._model_info import read_info as read_info
