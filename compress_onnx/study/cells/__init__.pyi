from .cell import Cell as Cell, Site as Site, run_cell as run_cell
from .spec import Spec as Spec, load_spec as load_spec
from .summary import summary_of as summary_of
