"""The page's words for zones, pictures and certificates, in two languages: the glossary's."""

from typing import Final

EYE_WORDS: Final[dict[str, tuple[str, str]]] = {
    # zones
    "zones": ("监管区", "Zones"),
    "front_items": ("件（可见正面）", "visible front items"),
    "verdict0": ("看不见", "blind"),
    "verdict1": ("已清点", "counted"),
    "verdict2": ("被遮挡", "occluded"),
    "verdict3": ("画面不一致", "frames disagree"),
    "never_counted": ("从未清点", "never counted"),
    "counted_ago": ("上次清点 {at}，{length}前", "last counted {at}, {length} ago"),
    "counted_share": ("清点时间 {share}", "counted {share} of the time"),
    "counted_time": ("清点时间", "Counted time"),
    "stock_by_time": ("清点数变化", "Count over time"),
    "stock_says": (
        "满格 {most} 件，只数可见正面，± 为不确定件数；斜线为未能清点，不是零，虚线为上次清点数。",
        "Full height {most} visible front items, ± uncertain. Hatched: not counted, not zero; dashed: the last count.",
    ),
    "stock_none_says": ("斜线为未能清点，不是零。", "Hatched: not counted, which is not zero."),
    "counts": ("清点记录", "Counts"),
    "no_counts": ("此段没有清点", "no counts in this time"),
    "count": ("件数", "Items"),
    "declared": ("申报", "Declared"),
    "declared_is": (
        "深 {depth} × 层 {rows}，安装时申报，未经清点",
        "{depth} deep × {rows} rows, by the installer; not counted",
    ),
    "detector": ("检测模型", "Detector"),
    # certificates
    "certificate": ("验收", "Certificate"),
    "certificate_passed": (
        "{at} 人工复核合格：误差 {error}（限 {limit}），{frames} 次中 {exact} 次完全一致。",
        "{at} passed against a person's count: error {error} (limit {limit}), {exact} of {frames} exact.",
    ),
    "certificate_failed": (
        "{at} 人工复核不合格：误差 {error}（限 {limit}），{frames} 次中 {exact} 次完全一致。",
        "{at} FAILED against a person's count: error {error} (limit {limit}), {exact} of {frames} exact.",
    ),
    "certificate_none": (
        "尚未与人工清点比对，件数未经验收。",
        "Not yet compared with a person's count: these figures are not accepted.",
    ),
    "not_accepted": ("未验收", "not accepted"),
    "certificate_other": (
        "此后换了检测模型，需重新验收。",
        "Another detector counts since then: it needs a new one.",
    ),
    # gates
    "contested_are": ("存疑 {n}", "{n} contested"),
    "contested_load": ("存疑 +{n}", "contested, +{n}"),
    "contested_one": ("存疑", "contested"),
    "seen_by_some": ("仅 {names}（{seen}/{looked}）", "only {names} ({seen} of {looked})"),
    # pictures
    "pictures": ("图片", "Pictures"),
    "pictures_are": ("共 {n} 张，其中 {here} 张已离开监控仪。", "{n} in all, of which {here} left the box."),
    "picture1": ("缝隙扫描", "slit-scan"),
    "picture2": ("全景", "view"),
    "picture3": ("局部", "crop"),
    "picture_marks": ("标记 {n}", "{n} marks"),
    "picture_mark": ("标记 {n}", "{n} mark"),
    "pictures_more": ("更早的图片", "Earlier ones"),
    "pictures_stayed": ("留在监控仪上", "On the box"),
    "pictures_ask": (
        (
            "图片默认不出监控仪，只有哈希签名在链中。可请企业在监控仪上放行（edge-agent pictures --send 哈希），"
            "或索取文件后核对：evidence picture 证据包 --is 文件"
        ),
        (
            "They stay on the box; their hashes are signed. Ask the enterprise to send one "
            "(edge-agent pictures --send HASH), or for its file, and compare: evidence picture BUNDLE --is FILE"
        ),
    ),
    "picture_recount": (
        "每道痕迹是一次通过，小标为计数。可逐一复点。",
        "Each figure is one passage, each mark one count: count them again by eye.",
    ),
}

CONDITIONS: Final[dict[str, tuple[str, str]]] = {
    "covered": ("镜头被遮住", "covered"),
    "moved": ("镜头被移动", "moved"),
    "defocused": ("失焦", "defocused"),
    "dark": ("过暗", "dark"),
    "frozen": ("画面冻结", "frozen"),
    "looped": ("画面循环", "looped"),
    "occluded": ("视线被挡", "occluded"),
    "slow": ("帧率下降", "too few frames"),
}
"""What a camera's condition is called: the subjects of EventKind.CAMERA."""
