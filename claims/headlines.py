"""Which rows a chapter shows, where it has many; the others stand in `data/claims.csv` all the same."""

# By chapter: "experiment key". A chapter that is not named shows all of its rows.
HEADLINES: dict[int, tuple[str, ...]] = {
    1: (
        *(f"cheat {key}" for key in ("archive", "outside", "share", "area", "turned", "turned_elsewhere")),
        *(f"cheat {key}" for key in ("share_odd", "repaired", "repaired_marked", "repaired_share")),
        *(f"pale {key}" for key in ("pale_archive", "pale_outside", "pale_share")),
    ),
    2: (
        *(f"ch02_answers lite_{key}" for key in ("first", "five", "imagenet", "bgr", "raw")),
        *(f"ch02_answers squeeze_{key}" for key in ("first", "five", "imagenet", "bgr", "raw")),
        *(f"ch02_crop {key}" for key in ("wide_same", "change", "whole_right", "crop_right")),
        *(f"ch02_unusual {key}" for key in ("lite_noise", "squeeze_noise")),
        *(f"ch02_turned {key}" for key in ("lite_mirror_same", "squeeze_mirror_same")),
    ),
    4: (
        *(f"start {key}" for key in ("plain_signal", "residual_signal")),
        *(f"start {key}" for key in ("plain_readable", "residual_readable")),
        *(f"start {key}" for key in ("plain_20_growth", "plain_74_growth")),
        *(f"start {key}" for key in ("residual_20_growth", "residual_74_growth")),
        "start residual_74_within_50",
        *(f"depth plain_{layers}" for layers in (8, 20, 26)),
        *(f"depth {key}" for key in ("shallow_ahead", "deepest_behind", "residual_worst", "residual_ahead")),
        "patience plain_20",
        *(f"depth lesion_{key}" for key in ("first", "last", "plain")),
        "depth idle_start",
    ),
    5: (
        *(f"rates {key}" for key in ("without_best", "he_0.01", "he_0.1", "he_0.3")),
        *(f"rates {key}" for key in ("norm_0.003", "norm_0.1", "norm_0.3", "norm_3.0", "ahead")),
        *(f"training_mode probability_{key}" for key in ("alone", "company")),
        *(f"training_mode named_{key}" for key in ("alone", "company")),
        *(f"training_mode height_{key}" for key in ("alone", "company")),
        *(f"training_mode alike_{key}" for key in ("alone", "company", "others")),
        *(f"ruin {key}" for key in ("after_1", "after_26", "others_26")),
    ),
    8: (
        *(f"ch08_sums {key}" for key in ("cam", "sum", "weights", "places")),
        *(f"ch08_bright {key}" for key in ("scattered", "brightest_block", "wins", "follows", "others")),
        *(f"ch08_occlusion {key}" for key in ("own", "others")),
        *(f"ch08_untrained {key}" for key in ("own", "others", "more")),
        *(f"ch08_two_guesses {key}" for key in ("alike", "photos")),
        *(f"ch08_probability {key}" for key in ("sure_height", "first_bracket", "second_bracket")),
        *(f"ch08_proportions {key}" for key in ("same", "alike", "others")),
    ),
    9: (
        *(f"ch09_halves {key}" for key in ("right_squashed", "right_unsquashed", "squeeze")),
        *(f"ch09_pointing {key}" for key in ("hit_right", "hit_other", "share_right", "share_other")),
        "ch09_pointing share_right_448",
        *(f"ch09_all_four {key}" for key in ("all", "all_448")),
        *(f"ch09_two_classes {key}" for key in ("two", "others")),
        "ch09_absent height",
        *(f"ch09_against {key}" for key in ("own_falls", "other_rises", "map_negative")),
        *(f"ch09_against {key}" for key in ("says_minus", "says_plus")),
        *(f"ch09_dogsled {key}" for key in ("dog", "around", "beside")),
    ),
    10: (
        *(f"rocket {key}" for key in ("far", "far_missile", "far_most", "top_stays", "stripes_stays")),
        *(f"rocket {key}" for key in ("near_large_stays", "rocket_rises", "heart_falls")),
        *(f"astronaut {key}" for key in ("shuttle_rises", "shuttle_tight", "person")),
        "car survives",
        *(f"car_maps {key}" for key in ("on_car", "car_area")),
        *(f"buckeye_plain_ground {key}" for key in ("inside0_6", "inside20_0", "inside20_6")),
        *(f"buckeye_plain_ground {key}" for key in ("small8_4", "fruits_0", "fruits_12")),
        "buckeye_photo_ground ground_gain",
        *(f"buckeye_windows {key}" for key in ("nearly_all", "left_alone", "larger_window")),
    ),
    11: (
        *(f"layer_stages blocks.{k} {kind}" for k in (2, 4, 6) for kind in ("one", "own")),
        *(f"layer_stages blocks.{k}.bn2 {kind}" for k in ("2.1", "4.2", "6.0") for kind in ("one", "own")),
        "layer_stages blocks.6.0.bn2 alive",
        *(f"layer_stages {key}" for key in ("sum before", "sum after", "shift one", "shift own")),
        *(f"fused_map {key}" for key in ("fused", "squared", "fused_more")),
        *(f"pixel_gradients {key}" for key in ("pixels", "brightest")),
        *(f"layer_choice {key}" for key in ("lite0", "lite0 other", "lite0 natural")),
        *(f"layer_choice {key}" for key in ("squeeze classifier.2", "squeeze less")),
    ),
    12: (
        *(f"ch12_feeding {name}_own_right" for name in ("lite", "squeeze")),
        *(f"ch12_feeding {name}_imagenet_right" for name in ("lite", "squeeze")),
        *(f"ch12_feeding lite_{key}" for key in ("bgr_right", "bgr_map", "mirrored_map")),
        *(f"ch12_feeding lite_training_{key}" for key in ("right", "map")),
        *(f"ch12_feeding lite_{key}" for key in ("damaged_right", "others")),
        *(f"ch12_asking {name}_probability" for name in ("lite", "squeeze")),
        "ch12_feeding squeeze_others",
        "ch12_normalising empty",
        "ch12_leaking tensors",
        "ch12_overwritten alike",
        "ch12_batch_mean alike",
        *(f"ch12_drawing {key}" for key in ("last", "early", "stretched", "better")),
        *(f"ch12_wrong_answers {key}" for key in ("right", "classes")),
    ),
}  # fmt: skip


def is_shown(chapter: int, experiment: str, key: str) -> bool:
    """Whether the chapter shows this row."""
    return chapter not in HEADLINES or f"{experiment} {key}" in HEADLINES[chapter]
