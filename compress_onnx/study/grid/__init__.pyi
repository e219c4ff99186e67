from .runner import CellError as CellError
from .runner import Setting as Setting
from .runner import run_study as run_study
from .spec import load_spec as load_spec
