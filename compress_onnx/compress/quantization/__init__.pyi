from .int4_repair import repaired_int4 as repaired_int4
from .mixed import mixed_model as mixed_model
from .options import QuantizeOptions as QuantizeOptions
from .quantize import quantize_model as quantize_model
from .widen import widened as widened
