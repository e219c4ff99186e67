from .cell import Cell as Cell
from .cell import Site as Site
from .cell import artifact_name as artifact_name
from .cell import run_cell as run_cell
