from .calibration import manifests_of as manifests_of
from .cell import Cell as Cell, Site as Site, run_cell as run_cell
from .compare import Job as Job, compare_models as compare_models
from .contestants import named_entries as named_entries
from .export import Exported as Exported, checkpoint_exported as checkpoint_exported, exported as exported, own_images as own_images
from .grid import CellError as CellError, Setting as Setting, run_study as run_study
from .inspection import saturation_audit as saturation_audit, weighed as weighed
from .judgment import Terms as Terms, judged_run as judged_run
from .locking import extend_lock as extend_lock
from .options import CompareOptions as CompareOptions
from .pruning import Search as Search, prune_file as prune_file, search_file as search_file
from .quantize import CalibrationData as CalibrationData, quantize_file as quantize_file
from .reports import write_report as write_report, write_study_page as write_study_page
from .spec import load_spec as load_spec
from .timing import Sweep as Sweep, bench_files as bench_files, bench_json as bench_json, profile_file as profile_file, write_bench as write_bench
