from .runner import CellError as CellError
from .runner import run_study as run_study
from .spec import Spec as Spec
from .spec import load_spec as load_spec
from .stages import StudySetup as StudySetup
