from .arrays import Source as Source
from .arrays import picture_set as picture_set
from .content import content_hashes as content_hashes
from .content import content_key as content_key
from .content import kept_hashes as kept_hashes
from .decoded import DecodedImages as DecodedImages
from .decoded import decoded_once as decoded_once
from .images import BATCH as BATCH
from .images import ImageSet as ImageSet
from .inputs import InputSet as InputSet
from .inputs import array_set as array_set
from .inputs import batch_set as batch_set
from .mapped import IN_MEMORY_BYTES as IN_MEMORY_BYTES
from .mapped import mapped as mapped
from .sources import load_data as load_data
from .splits import (
    CalibrationManifest as CalibrationManifest,
)
from .splits import (
    calibration_images as calibration_images,
)
from .splits import (
    check_disjoint as check_disjoint,
)
from .splits import (
    choose_calibration as choose_calibration,
)
from .splits import (
    load_manifest as load_manifest,
)
from .splits import manifest_of_text as manifest_of_text
from .splits import manifest_text as manifest_text
from .splits import (
    save_manifest as save_manifest,
)
