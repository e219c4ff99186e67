from .census import (
    Weight as Weight,
)
from .census import (
    is_quantized as is_quantized,
)
from .census import (
    out_of_reach as out_of_reach,
)
from .census import (
    prunable_initializers as prunable_initializers,
)
from .census import (
    weight_numbers as weight_numbers,
)
from .census import (
    weights as weights,
)
from .graph_regions import (
    Region as Region,
)
from .graph_regions import (
    Term as Term,
)
from .graph_regions import (
    held as held,
)
from .graph_regions import (
    regions as regions,
)
from .graph_regions import (
    stored_tensors as stored_tensors,
)
from .kinds import (
    BLOCKED_LAYOUT as BLOCKED_LAYOUT,
)
from .kinds import (
    CODECS as CODECS,
)
from .kinds import (
    MICROSOFT as MICROSOFT,
)
from .kinds import (
    MOVES as MOVES,
)
from .kinds import (
    QUANTISERS as QUANTISERS,
)
from .kinds import (
    STANDARD as STANDARD,
)
from .kinds import (
    WEIGHTED_OPS as WEIGHTED_OPS,
)
from .kinds import (
    slots as slots,
)
from .precision import float_weights as float_weights
from .precision import precision_of as precision_of
from .reach import (
    expect_in_reach as expect_in_reach,
)
from .reach import (
    expect_plain_order as expect_plain_order,
)
from .reach import (
    left_float as left_float,
)
from .reach import (
    told as told,
)
from .values import (
    Array as Array,
)
from .values import (
    UnknownValueError as UnknownValueError,
)
from .values import (
    array as array,
)
from .values import (
    attribute as attribute,
)
from .values import (
    value as value,
)
from .weight_roots import roots as roots
