from .reference import Batches as Batches
from .reference import Reference as Reference
from .reference import referenced as referenced
from .statistics import RepairOutcome as RepairOutcome
from .statistics import repaired as repaired
from .step import repair_model as repair_model
