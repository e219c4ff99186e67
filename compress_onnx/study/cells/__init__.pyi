from .cell import Cell as Cell
from .cell import Site as Site
from .cell import run_cell as run_cell
from .spec import Spec as Spec
from .spec import load_spec as load_spec
from .summary import summary_of as summary_of
