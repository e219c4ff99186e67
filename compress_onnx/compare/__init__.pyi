from .calibration import CalibrationChoice as CalibrationChoice, beside as beside, calibration_for as calibration_for, is_filed as is_filed, manifest_roots as manifest_roots, manifests_of as manifests_of
from .comparison import Job as Job, compare_models as compare_models
from .judgment import Terms as Terms, judged_run as judged_run
from .locking import extend_lock as extend_lock
from .models import Entry as Entry, check_input as check_input, named_entries as named_entries
from .options import CompareOptions as CompareOptions, NO_SALIENCY as NO_SALIENCY
from .reports import write_report as write_report, write_study_page as write_study_page
from .timing import Sweep as Sweep, bench_files as bench_files, bench_json as bench_json, profile_file as profile_file, time_files as time_files, write_bench as write_bench
