from .charts import box_chart as box_chart
from .charts import speedup_chart as speedup_chart
from .section import latency_section as latency_section
from .tables import RUN_HEAD as RUN_HEAD
from .tables import noise as noise
from .tables import run_cells as run_cells
from .tables import spoken_setting as spoken_setting
