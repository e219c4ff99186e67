from .checkpoints import load_card as load_card, load_checkpoint as load_checkpoint, load_model as load_model
from .folders import CARD as CARD, WEIGHTS as WEIGHTS, model_folder as model_folder, model_names as model_names
from .recipe import recipe_for as recipe_for
