from .reference import Batches as Batches
from .reference import Reference as Reference
from .reference import referenced as referenced
from .repair import RepairOutcome as RepairOutcome
from .repair import repair_model as repair_model
from .repair import repaired as repaired
