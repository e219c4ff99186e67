from .cells import Cell as Cell
from .cells import Site as Site
from .cells import run_cell as run_cell
from .grid import CellError as CellError
from .grid import Setting as Setting
from .grid import load_spec as load_spec
from .grid import run_study as run_study
