from .cells import CellRun as CellRun
from .cells import StudyCell as StudyCell
from .cells import run_cell as run_cell
from .grid import CellError as CellError
from .grid import Spec as Spec
from .grid import StudySetup as StudySetup
from .grid import load_spec as load_spec
from .grid import run_study as run_study
