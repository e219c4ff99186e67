from .cells import Cell as Cell, Site as Site, load_spec as load_spec, run_cell as run_cell
from .grid import CellError as CellError, Setting as Setting, run_study as run_study
