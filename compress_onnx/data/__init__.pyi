from .content import content_hashes as content_hashes, content_key as content_key, kept_hashes as kept_hashes
from .decoded import DecodedImages as DecodedImages, decoded_once as decoded_once
from .images import BATCH as BATCH, ImageSet as ImageSet
from .sources import load_data as load_data
from .splits import CalibrationManifest as CalibrationManifest, calibration_images as calibration_images, check_disjoint as check_disjoint, choose_calibration as choose_calibration, load_manifest as load_manifest, save_manifest as save_manifest
