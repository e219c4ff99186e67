from .runner import CellError as CellError
from .runner import StudySetup as StudySetup
from .runner import run_study as run_study
from .spec import load_spec as load_spec
