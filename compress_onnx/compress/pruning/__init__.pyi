from .prune import PruneOptions as PruneOptions
from .prune import prune_model as prune_model
from .structured import StructuredOptions as StructuredOptions
from .structured import structured_pruned as structured_pruned
