from .fold import folded as folded
from .prepare import float_form as float_form
from .prepare import plain_operators as plain_operators
