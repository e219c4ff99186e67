from .table import CONVERTERS as CONVERTERS
