from .constant import Constant as Constant, computed as computed, stored as stored, type_name as type_name
from .integer import written_out as written_out
from .node import Node as Node, unknown_operator as unknown_operator
from .pairs import fuse_pairs as fuse_pairs
from .table import CONVERTERS as CONVERTERS
from .window import PRODUCTS as PRODUCTS, Saturation as Saturation, saturation_of as saturation_of
