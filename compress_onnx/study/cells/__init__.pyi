from .cell import CellRun as CellRun
from .cell import StudyCell as StudyCell
from .cell import artifact_name as artifact_name
from .cell import run_cell as run_cell
