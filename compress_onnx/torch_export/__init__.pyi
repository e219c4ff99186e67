from .exporter import export_module as export_module
from .parity import check_parity as check_parity
