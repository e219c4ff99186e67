from .int4_repair import repaired_int4 as repaired_int4
from .mixed import mixed_model as mixed_model
from .prune import PruneOptions as PruneOptions, prune_model as prune_model
from .quantize import QuantizeOptions as QuantizeOptions, quantize_model as quantize_model
from .reference import Batches as Batches, Reference as Reference, referenced as referenced
from .repair_step import repair_model as repair_model
from .sound_pruning import expect_sound_pruning as expect_sound_pruning, made_images as made_images
from .structured import StructuredOptions as StructuredOptions, structured_pruned as structured_pruned
from .widen import widened as widened
