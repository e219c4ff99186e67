from .checkpoints import load_card as load_card
from .checkpoints import load_checkpoint as load_checkpoint
from .checkpoints import load_model as load_model
from .folders import CARD as CARD
from .folders import WEIGHTS as WEIGHTS
from .folders import model_folder as model_folder
from .folders import model_names as model_names
from .recipe import recipe_for as recipe_for
