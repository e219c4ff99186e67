from .census import Weight as Weight, is_quantized as is_quantized, out_of_reach as out_of_reach, prunable_initializers as prunable_initializers, weight_numbers as weight_numbers, weights as weights
from .graph_regions import Region as Region, Term as Term, held as held, regions as regions, stored_tensors as stored_tensors
from .kinds import BLOCKED_LAYOUT as BLOCKED_LAYOUT, CODECS as CODECS, MICROSOFT as MICROSOFT, MOVES as MOVES, QUANTISERS as QUANTISERS, STANDARD as STANDARD, WEIGHTED_OPS as WEIGHTED_OPS, slots as slots
from .precision import float_weights as float_weights, precision_of as precision_of
from .reach import expect_in_reach as expect_in_reach, expect_plain_order as expect_plain_order, left_float as left_float, told as told
from .values import Array as Array, UnknownValueError as UnknownValueError, array as array, attribute as attribute, value as value
from .weight_roots import roots as roots
