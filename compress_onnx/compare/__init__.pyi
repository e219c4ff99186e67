from .calibration import (
    CalibrationChoice as CalibrationChoice,
)
from .calibration import (
    beside as beside,
)
from .calibration import (
    calibration_for as calibration_for,
)
from .calibration import (
    is_filed as is_filed,
)
from .calibration import (
    manifest_roots as manifest_roots,
)
from .calibration import (
    manifests_of as manifests_of,
)
from .comparison import Job as Job
from .comparison import compare_models as compare_models
from .comparison import compared as compared
from .judgment import Criteria as Criteria
from .judgment import judged_run as judged_run
from .judgment import verdict_on as verdict_on
from .locking import extend_lock as extend_lock
from .models import NamedModel as NamedModel
from .models import check_input as check_input
from .models import named_models as named_models
from .options import NO_SALIENCY as NO_SALIENCY
from .options import CompareOptions as CompareOptions
from .reports import write_report as write_report
from .reports import write_study_page as write_study_page
from .run import Run as Run
from .run import save_new as save_new
from .run import stored_run as stored_run
from .timing import (
    Sweep as Sweep,
)
from .timing import (
    bench_files as bench_files,
)
from .timing import (
    bench_json as bench_json,
)
from .timing import (
    profile_file as profile_file,
)
from .timing import (
    time_files as time_files,
)
from .timing import (
    write_bench as write_bench,
)
